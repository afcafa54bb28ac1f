"""Values of vSphere's data objects, out of XML, each read when it is asked for.

pyVmomi builds every object of an answer with all of its fields; of a VM's devices vmrep needs a few
fields of a few kinds. So a `Data` keeps its element, and reads a field when somebody wants it.
pyVmomi's description of the API says what each field is; what differs from it is NotAsDescribed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from lxml.etree import _Element as Element
from pyVmomi import Iso8601, vmodl
from pyVmomi.VmomiSupport import (
    DataObject,
    Enum,
    ManagedObject,
    byte,
    long,
    short,
)

from contexts.vsphere.answers import stand_in
from contexts.vsphere.description import NAMESPACE, field_of, fits, item_of, named
from contexts.vsphere.texts import MOST_FAULT, MOST_NAME, cut
from contexts.vsphere.wanted import wanted_of

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_SHOWN = 60  # characters of what was not understood

_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
_BITS: dict[Any, int] = {byte: 8, short: 16, int: 32, long: 64}
# What has no more digits than this fits into these kinds, without a closer look.
_FITS_ANY, _LONG_ENOUGH = 9, frozenset({int, long})


class NotAsDescribed(ValueError):
    """A value is not what its description allows; the text says which and why."""


def shown(text: str | None) -> str:
    """What a server said, short enough for a message, quoted."""
    return repr(cut((text or "").strip(), _SHOWN))


class Data:
    """A data object, with the fields that pyVmomi describes for its `kind` as attributes.

    A field that is unset is None, one of several values an empty list. Of an unknown type `kind` is
    what the place promises, and `unknown` the type's name.

    Reading a field raises NotAsDescribed, and AttributeError for one that the kind does not have.
    """

    __slots__ = ("_children", "_element", "_stub", "kind", "unknown")

    def __init__(self, element: Element, kind: Any, stub: Any, unknown: str = "") -> None:
        self._element = element
        self._stub = stub
        self._children: dict[str, list[Element]] | None = None
        self.kind = kind
        self.unknown = unknown

    def __getattr__(self, name: str) -> Any:
        declared = field_of(self.kind, name)
        if declared is None:
            raise AttributeError(f"{self.kind.__name__} has no {name}")
        children = self._named().get(name, ())
        item = item_of(declared)
        if item is not None:
            return [value_of(child, item, self._stub) for child in children]
        if not children:
            return None
        if len(children) > 1:
            raise NotAsDescribed(f"{name} appears twice")
        return value_of(children[0], declared, self._stub)

    def says(self, name: str) -> bool:
        """Whether there is such an element, described or not."""
        return name in self._named()

    def _named(self) -> dict[str, list[Element]]:
        if self._children is None:
            self._children = {}
            for child in self._element:
                self._children.setdefault(local_name(child), []).append(child)
        return self._children


class Read(Data):
    """The same, with the `WANTED` fields of its kind read already, as ordinary attributes.

    A field that is not as described is left to be read, and raised, when somebody asks for it.
    """

    def __init__(self, element: Element, kind: Any, stub: Any) -> None:
        # Not by `super`, and below `[:]` instead of one child after the other: this happens a dozen
        # times for every VM. (lxml's stubs do not know that elements have slices.)
        self._element, self._stub, self._children = element, stub, None
        self.kind, self.unknown = kind, ""
        fields, unset = _read_at_once(kind)
        read = self.__dict__
        read.update(unset)
        odd: list[str] = []
        for child in element[:]:  # type: ignore[index]
            try:
                field = fields[child.tag]
            except KeyError:
                if local_name(child) in wanted_of(kind):
                    read.clear()  # it is of another namespace
                    return
                continue
            if field is None:
                continue
            name, make, declared, is_list = field
            try:
                # Most have no attribute at all, which is found out faster.
                if child.keys() and child.get(XSI_TYPE) is not None:
                    value = value_of(child, declared, stub)
                elif make is text_of and not len(child):
                    value = child.text or ""
                else:
                    value = make(child, declared, stub)
            except NotAsDescribed:
                odd.append(name)
                continue
            if is_list:
                read.setdefault(name, []).append(value)
            elif read[name] is None:
                read[name] = value
            else:
                odd.append(name)  # it stands there twice
        for name in odd:
            read.pop(name, None)


class Parts(Sequence[Any]):
    """The data objects of an array. Each is made whenever it is met, and not kept: of a whole page
    of VMs, those of one exist at a time.

    Raises NotAsDescribed at once when one of them is of a type that does not belong there.
    """

    __slots__ = ("_element", "_plans", "_stub")

    def __init__(self, element: Element, item: Any, stub: Any) -> None:
        self._element, self._stub = element, stub
        self._plans = [plan_for(child, item) for child in element[:]]  # type: ignore[index]

    def __iter__(self) -> Iterator[Any]:
        return (make(child, kind, self._stub) for child, (make, kind) in self._planned())

    def _planned(self) -> Iterator[tuple[Element, tuple[Maker, Any]]]:
        return zip(self._element[:], self._plans, strict=True)  # type: ignore[index]

    def only(self, matters: Callable[[Any], bool]) -> list[Any]:
        """Those of kinds that matter, and of types that nobody knows; the others are not made."""
        return [
            make(child, kind, self._stub)
            for child, (make, kind) in self._planned()
            if matters(kind) or isinstance(make, partial)
        ]

    def __len__(self) -> int:
        return len(self._plans)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]


_Fields = Mapping[str, tuple[str, "Maker", Any, bool] | None]


@lru_cache(maxsize=1024)
def _read_at_once(kind: Any) -> tuple[_Fields, Mapping[str, None]]:
    """By tag how each wanted field is made, None for a field that is not wanted; and the fields
    that are None until they are met."""
    fields: dict[str, tuple[str, Maker, Any, bool] | None] = {
        f"{{{NAMESPACE}}}{info.name}": None for info in kind._GetPropertyList()
    }
    unset: dict[str, None] = {}
    for name in wanted_of(kind):
        if (declared := field_of(kind, name)) is not None:
            item = item_of(declared)
            one = declared if item is None else item
            fields[f"{{{NAMESPACE}}}{name}"] = (name, _maker(one), one, item is not None)
            if item is None:
                unset[name] = None
    return fields, unset


def kind_of(value: Any) -> Any:
    """pyVmomi's class of a data object, whether it was read by pyVmomi or is a `Data`."""
    return value.kind if isinstance(value, Data) else type(value)


def type_name(value: Any) -> str:
    """The name of its type in the API, also of one that vmrep does not know."""
    return (value.unknown if isinstance(value, Data) else "") or str(kind_of(value)._wsdlName)


def value_of(element: Element, declared: Any, stub: Any) -> Any:
    """What an element says, where pyVmomi's type `declared` is expected.

    Text, numbers, times (aware), references and faults are as pyVmomi makes them, enumerations are
    str, data objects `Data`, arrays lists. Raises NotAsDescribed.
    """
    make, kind = plan_for(element, declared)
    return make(element, kind, stub)


def plan_for(element: Element, declared: Any) -> tuple[Maker, Any]:
    """How the value of an element is made. Raises NotAsDescribed for a type that does not belong
    there."""
    name = element.get(XSI_TYPE)
    if name is not None and len(name) > MOST_NAME:
        raise NotAsDescribed(f"it is of the unknown type {shown(name)}")
    return plan_of(declared, name)


@lru_cache(maxsize=8192)
def plan_of(declared: Any, name: str | None) -> tuple[Maker, Any]:
    """How a value of the type that is named is made, where another is expected. Raises
    NotAsDescribed when that one does not belong there."""
    kind = declared
    if name is not None:
        kind = named(name)
        if kind is None:
            if issubclass(declared, DataObject) and not issubclass(declared, Exception):
                return partial(Data, unknown=name.rpartition(":")[2]), declared
            raise NotAsDescribed(f"it is of the unknown type {shown(name)}")
        if not fits(kind, declared):
            raise NotAsDescribed(f"it is of the type {shown(name)}, which does not belong there")
        if declared is not object and not issubclass(kind, DataObject):
            kind = declared
    return _maker(kind), kind


Maker = Callable[[Element, Any, Any], Any]


@lru_cache(maxsize=4096)
def _maker(kind: Any) -> Maker:
    families: tuple[tuple[Any, Maker], ...] = (
        (list, _array),
        (Exception, _fault),
        (vmodl.LocalizedMethodFault, _fault),
        (DataObject, Read if wanted_of(kind) else Data),
        (ManagedObject, _reference),
        (bool, _boolean),
        (int, _whole),
        (float, _number),
        (Enum, _choice),
        (datetime, _moment),
    )
    return next((maker for family, maker in families if issubclass(kind, family)), text_of)


def _array(element: Element, kind: Any, stub: Any) -> Sequence[Any]:
    if _maker(kind.Item) in (Data, Read):
        return Parts(element, kind.Item, stub)
    return [value_of(child, kind.Item, stub) for child in elements(element)]


def local_name(element: Element) -> str:
    """Its name without the namespace; "" of what is no element."""
    tag = element.tag
    if not isinstance(tag, str):
        return ""
    return _local(tag) if len(tag) <= MOST_NAME else tag.rpartition("}")[2]


@lru_cache(maxsize=4096)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def elements(element: Element) -> Iterator[Element]:
    """The elements within, without comments and the like."""
    return element.iterchildren("*")


def text_of(element: Element, kind: Any = str, stub: Any = None) -> str:
    """Its text. Raises NotAsDescribed if there are elements in it."""
    if not len(element):
        return element.text or ""
    raise NotAsDescribed("it is built of elements, where a plain value belongs")


def _boolean(element: Element, kind: Any, stub: Any) -> bool:
    text = text_of(element)
    if text not in ("true", "false", "1", "0"):
        raise NotAsDescribed(f"{shown(text)} is neither true nor false")
    return text in ("true", "1")


def _whole(element: Element, kind: Any, stub: Any) -> int:
    text = text_of(element)
    if len(text) <= _FITS_ANY and text.isascii() and text.isdigit() and kind in _LONG_ENOUGH:
        return int(text)
    bits = _BITS.get(kind, 64)
    # Not more than what fits is ever converted: the time that it takes grows with the digits.
    if _WHOLE.fullmatch(text):
        number = int(text)
        if -(1 << bits - 1) <= number < 1 << bits - 1:
            return number
    raise NotAsDescribed(f"{shown(text)} is not a whole number of {bits} bits")


def _number(element: Element, kind: Any, stub: Any) -> float:
    text = text_of(element)
    try:
        return float(text)
    except ValueError:
        raise NotAsDescribed(f"{shown(text)} is not a number") from None


def _choice(element: Element, kind: Any, stub: Any) -> str:
    text = text_of(element)
    if text not in vars(kind)["values"]:
        raise NotAsDescribed(f"{shown(text)} is not a {kind.__name__.rpartition('.')[2]}")
    return text


def _moment(element: Element, kind: Any, stub: Any) -> datetime:
    text = text_of(element)
    try:
        found = Iso8601.ParseISO8601(text)
    except (ValueError, OverflowError):
        found = None
    if not isinstance(found, datetime):
        raise NotAsDescribed(f"{shown(text)} is not a time")
    return found


def _reference(element: Element, kind: Any, stub: Any) -> Any:
    name, moref = element.get("type") or "", text_of(element).strip()
    actual = _managed(name)
    if actual is None or not moref:
        raise NotAsDescribed(f"{shown(moref)} of the type {shown(name)} is not a reference")
    if kind is not object and not issubclass(actual, kind):
        raise NotAsDescribed(f"it is a reference to a {shown(name)}, which does not belong there")
    return actual(moref, stub)


@lru_cache(maxsize=1024)
def _managed(name: str) -> Any:
    """The kind of managed object with this name; None when there is none."""
    kind = named(name) if name else None
    return kind if kind is not None and issubclass(kind, ManagedObject) else None


_KEPT_OF_FAULTS = (str, int, bool, ManagedObject)


def _fault(element: Element, kind: Any, stub: Any) -> Any:
    """A LocalizedMethodFault as pyVmomi's exception, with the server's words as its `msg`; one of
    an unknown class as a MethodFault with `unknown_name`. What caused it is left out."""
    inner = next(element.iterchildren("{*}fault"), element)
    words = next(element.iterchildren("{*}localizedMessage"), None)
    name = inner.get(XSI_TYPE) or "MethodFault"
    actual = named(name)
    if actual is vmodl.LocalizedMethodFault:
        actual = vmodl.MethodFault
    if actual is not None and issubclass(actual, vmodl.MethodFault):
        fault = actual()
        for child in elements(inner):
            _keep_detail(fault, child, stub)
    else:
        fault = stand_in(name.rpartition(":")[2])
    fault.msg = cut("".join(map(str, words.itertext())), MOST_FAULT) if words is not None else ""
    return fault


def _keep_detail(fault: Any, child: Element, stub: Any) -> None:
    name = local_name(child)
    kind: Any = type(fault)
    declared = field_of(kind, name)
    if declared is None or not issubclass(declared, _KEPT_OF_FAULTS) or issubclass(declared, Enum):
        return
    try:
        object.__setattr__(fault, name, value_of(child, declared, stub))
    except NotAsDescribed:
        return  # a detail of a fault, whose name and words are known
