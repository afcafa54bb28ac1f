"""From the bytes of an answer to pyVmomi's objects, whatever the bytes are.

pyVmomi's own reader believes the server: it collects any text, nests as deep as it is told, builds
any number of objects, and rejects a whole answer because of one value that it does not know. This
reader keeps to pyVmomi's classes and handlers; checked against pyVmomi 9.1.1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from xml.parsers.expat import ParserCreate

from pyVmomi import SoapAdapter, vmodl
from pyVmomi.VmomiSupport import Array, DataObject, Enum, GetCompatibleType, ManagedObject

from contexts.vsphere.errors import AnswerTooLarge

# A tag, a comment or anything else that expat must see whole: vSphere's have a few hundred bytes.
MOST_TOKEN_BYTES = 256 << 10
# Of one element's text. The rest is cut off; far less of a text is kept in the end (`texts`).
MOST_TEXT = 1 << 20
# vSphere's deepest trees are snapshots, 32 levels of them.
MOST_LEVELS = 256
# Elements, and the fields of the objects that they make, set or not: what an answer costs in
# memory. A page of 200 VMs with 64 disks each has a little over a million.
MOST_VALUES = 2_000_000

_CHUNK_BYTES = 64 << 10
# What pyVmomi raises when a value is not what its own description of the API promises.
NOT_AS_DESCRIBED = (AttributeError, KeyError, TypeError, ValueError, OverflowError)


class Readable(Protocol):
    def read(self, amount: int, /) -> bytes: ...


class AnswerReader(SoapAdapter.SoapResponseDeserializer):
    """Reads one SOAP answer.

    A property of an object (a DynamicProperty) that cannot be understood has no value afterwards,
    and the others are read. A fault of an unknown class is a MethodFault with `unknown_name`.

    Raises AnswerTooLarge, ExpatError for what is not XML, and the errors in NOT_AS_DESCRIBED.
    """

    def __init__(self, stub: Any) -> None:
        super().__init__(stub)
        self.deser = _ValueReader(stub)

    def read(self, answer: Readable, result_type: Any) -> Any:
        """The result, or the fault as pyVmomi's exception."""
        self.resultType = result_type
        self.nsMap: dict[str | None, list[str]] = {}
        self.msg, self.data, self.isFault = "", "", False
        self.parser = ParserCreate(namespace_separator=SoapAdapter.NS_SEP)
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = _refuse_doctype
        SoapAdapter.SetHandlers(self.parser, SoapAdapter.GetHandlers(self))
        self._parse(answer)
        result = self.deser.GetResult()
        if self.isFault:
            if not isinstance(result, vmodl.MethodFault):
                result = vmodl.RuntimeFault()
            result.msg = self.msg
        return result

    def _parse(self, answer: Readable) -> None:
        fed = 0
        while chunk := answer.read(_CHUNK_BYTES):
            self.parser.Parse(chunk, False)
            fed += len(chunk)
            # Expat restarts an unfinished tag with each chunk, at unbounded cost.
            if fed - self.parser.CurrentByteIndex > MOST_TOKEN_BYTES:
                raise AnswerTooLarge(f"The answer has a tag of more than {MOST_TOKEN_BYTES} bytes.")
        self.parser.Parse(b"", True)

    def CharacterDataHandler(self, data: str) -> None:
        if len(self.data) < MOST_TEXT:
            self.data += data


def _refuse_doctype(*declared: Any) -> None:
    """No vSphere answer declares one, and its entities could expand without end."""
    raise AnswerTooLarge("The answer declares a document type, which no vSphere server does.")


class _ValueReader(SoapAdapter.SoapDeserializer):
    """Reads the value within an answer.

    `_level` counts the open elements, `stack` holds what each of them becomes. While `_skip_to` is
    set, elements are passed over until that level is reached again.
    """

    def __init__(self, stub: Any) -> None:
        super().__init__(stub)
        self._values = 0

    def Deserialize(
        self,
        parser: Any,
        resultType: Any = object,
        isFault: bool = False,
        nsMap: Mapping[str | None, list[str]] | None = None,
    ) -> None:
        super().Deserialize(parser, resultType, isFault, nsMap)
        self._level = 0
        self._skip_to: int | None = None

    def StartElementHandler(self, tag: str, attr: Mapping[str, str]) -> None:
        self._level += 1
        self._values += 1
        if self._level > MOST_LEVELS:
            raise AnswerTooLarge(f"The answer is nested more than {MOST_LEVELS} levels deep.")
        if self._skip_to is None:
            try:
                self._begin(tag, attr)
            except NOT_AS_DESCRIBED:
                self._skip()
        if self._values > MOST_VALUES:
            raise AnswerTooLarge(f"The answer has more than {MOST_VALUES:,} values.")

    def EndElementHandler(self, tag: str) -> None:
        if self._level == 0:
            super().EndElementHandler(tag)  # the parser goes back to the envelope's reader
            return
        self._level -= 1
        if self._skip_to is not None:
            if self._level == self._skip_to:
                self._skip_to, self.data = None, ""
            return
        try:
            self._end(tag)
        except NOT_AS_DESCRIBED:
            self._skip()

    def CharacterDataHandler(self, data: str) -> None:
        if self._skip_to is None and len(self.data) < MOST_TEXT:
            self.data += data

    def _begin(self, tag: str, attr: Mapping[str, str]) -> None:
        outer: Any = self.stack[-1] if self.stack else None
        if name := self._unknown_fault(outer, tag, attr):
            self.stack.append(stand_in(name))
            return
        super().StartElementHandler(tag, attr)
        made = self.stack[-1]
        if isinstance(made, DataObject):
            self._values += len(vars(made))
        _require_kind(made, outer, self.version)

    def _end(self, tag: str) -> None:
        if _is_unknown_choice(self.stack[-1], self.data):
            raise ValueError(f"{self.data[:50]!r} is not a {self.stack.pop().__name__}")
        super().EndElementHandler(tag)

    def _unknown_fault(self, outer: Any, tag: str, attr: Mapping[str, str]) -> str:
        """The name of the fault that begins here when pyVmomi does not know its class, else ""."""
        namespace, name = self.SplitTag(tag)
        if outer is None and self.isFault:
            name = name.removesuffix("Fault")
        elif (
            isinstance(outer, vmodl.LocalizedMethodFault)
            and name == "fault"
            and SoapAdapter.XSI_TYPE in attr
        ):
            namespace, name = self.GetNSAndWsdlname(attr[SoapAdapter.XSI_TYPE])
        else:
            return ""
        try:
            self.LookupWsdlType(namespace, name)
        except KeyError:
            return str(name)
        return ""

    def _skip(self) -> None:
        """Pass over what was not understood: a property's whole value, or a detail of a fault.

        Called within an `except`: anything else cannot be left out, and is raised.
        """
        for at in range(len(self.stack) - 1, -1, -1):
            outer = self.stack[at]
            if isinstance(outer, vmodl.DynamicProperty) or (
                isinstance(outer, vmodl.MethodFault) and at == len(self.stack) - 1
            ):
                del self.stack[at + 1 :]
                # What the stack's last element is became open at level at + 1.
                self._skip_to = at + 1 if self._level > at + 1 else None
                return
        raise


def _is_unknown_choice(made: Any, text: str) -> bool:
    """pyVmomi looks choices up among all attributes of the enumeration's class."""
    return isinstance(made, type) and issubclass(made, Enum) and text not in vars(made)["values"]


def _require_kind(made: Any, outer: Any, version: str) -> None:
    """pyVmomi checks what becomes a field, but not what is appended to a list."""
    if not isinstance(outer, Array):
        return
    kind = made if isinstance(made, type) else type(made)
    item = GetCompatibleType(outer.Item, version)
    if issubclass(item, DataObject | ManagedObject) and not issubclass(kind, item):
        if kind is vmodl.LocalizedMethodFault and issubclass(item, vmodl.MethodFault):
            return
        raise TypeError(f"{kind.__name__} in a list of {item.__name__}")


def stand_in(name: str) -> Any:
    """A stand-in for a fault of a class that pyVmomi does not know."""
    fault = vmodl.MethodFault()
    # The fault's own __setattr__ accepts only fields that the API describes.
    object.__setattr__(fault, "unknown_name", name)
    return fault
