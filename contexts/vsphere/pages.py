"""A page of the property collector: from its bytes to objects, any one of which may be odd.

A page whose XML is well-formed is parsed at once. Otherwise, what breaks it is mended; a page that
still cannot be parsed is taken apart, object by object. No answer can make this cost more than the
limits below: no entities, no document type, bounded depth and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lxml import etree
from lxml.etree import _Element as Element
from pyVmomi import vmodl
from pyVmomi.VmomiSupport import ManagedObject

from contexts.vsphere.description import NAMESPACE, described
from contexts.vsphere.errors import AnswerTooLarge, NotVSphere
from contexts.vsphere.texts import MOST_FAULT, MOST_NAME, cut
from contexts.vsphere.values import (
    XSI_TYPE,
    Maker,
    NotAsDescribed,
    local_name,
    plan_of,
    shown,
    text_of,
    value_of,
)
from contexts.vsphere.xml_text import REPLACED, mended

# What a page costs in memory is some hundred bytes for each tag and attribute. A page of 200 VMs
# with 64 disks each has a good million tags, opening and closing.
MOST_TAGS = 1_500_000
MOST_ATTRIBUTES = 1_000_000
_LEAST_OF_A_TAG, _LEAST_OF_AN_ATTRIBUTE = 3, 5  # bytes: `<a>`, ` a=""`

_PROPERTY = f"{{{NAMESPACE}}}propSet"
_OBJECT_REFERENCE = f"{{{NAMESPACE}}}obj"
_NAME, _VALUE = f"{{{NAMESPACE}}}name", f"{{{NAMESPACE}}}val"
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?[^>]{0,200}>\s*|<!--[^>]{0,200}-->\s*)*")
_OBJECT = re.compile(rb"<(objects)(?:\s[^>]*)?>.*?</\1\s*>", re.DOTALL)
_TOKEN = re.compile(rb"<token>([^<]{1,1000})</token>")
_OBJ = re.compile(rb"<obj\s[^>]{0,300}>[^<]{1,300}</obj>")
_ENVELOPE = (
    b'<x xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    b' xmlns:xsd="http://www.w3.org/2001/XMLSchema">%s</x>'
)


@dataclass(frozen=True, slots=True)
class Found:
    """One object's properties, as far as they came and were understood.

    `missing` has the fault for each path that did not: vSphere's own, or NotSupported for what came
    but was not understood. `odd` says for each path what was unexpected; some of these values could
    be mended, and are in `properties` as well. `problem`: why nothing of the object could be read.
    """

    ref: Any
    properties: Mapping[str, Any]
    missing: Mapping[str, Any]
    odd: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def understood(self, path: str) -> bool:
        """False when the property came, but vmrep cannot understand it."""
        return path not in self.odd or path in self.properties

    @property
    def moref(self) -> str:
        """vSphere's reference."""
        return str(self.ref._moId)


class Page(NamedTuple):
    """`token` leads to the next page. `lost` counts the objects of which not even the reference
    could be read."""

    objects: list[Found]
    token: str | None
    lost: int


def read_page(body: bytes, stub: Any) -> Page:
    """The objects of an answer to RetrievePropertiesEx or ContinueRetrievePropertiesEx.

    Raises AnswerTooLarge, and NotVSphere for anything else than such an answer.
    """
    _require_harmless(body)
    try:
        return _page(_parse(body), stub, is_mended=False)
    except etree.XMLSyntaxError as broken:
        better = mended(body)
        try:
            return _page(_parse(better), stub, is_mended=True)
        except etree.XMLSyntaxError:
            return _taken_apart(better, stub, broken)


def _require_harmless(body: bytes) -> None:
    prolog = _PROLOG.match(body)
    if body.startswith(b"<!DOCTYPE", prolog.end() if prolog else 0):
        raise AnswerTooLarge("The answer declares a document type, which no vSphere server does.")
    if (
        len(body) < _LEAST_OF_A_TAG * MOST_TAGS
        and len(body) < _LEAST_OF_AN_ATTRIBUTE * MOST_ATTRIBUTES
    ):
        return
    if body.count(b"<") > MOST_TAGS or body.count(b'="') + body.count(b"='") > MOST_ATTRIBUTES:
        raise AnswerTooLarge(f"The answer has more than {MOST_TAGS:,} tags.")


def _parse(body: bytes) -> Element:
    """libxml2's own limits hold: 256 levels, 10 MB for a text or a name. The encoding is UTF-8,
    whatever the answer declares."""
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
        huge_tree=False,
    )
    root = etree.fromstring(body, parser)
    if root.getroottree().docinfo.internalDTD is not None:
        raise AnswerTooLarge("The answer declares a document type, which no vSphere server does.")
    return root


def _page(root: Element, stub: Any, *, is_mended: bool) -> Page:
    returned = next(root.iter("{*}returnval"), None)
    if returned is None:
        if local_name(root) != "Envelope":
            raise NotVSphere(
                f"The server answered with {shown(local_name(root))} instead of a SOAP envelope."
                " Check that the address is that of a vCenter Server or ESXi host."
            )
        return Page([], None, 0)
    objects: list[Found] = []
    lost, token, plans = 0, None, _Plans()
    for child in returned:
        name = local_name(child)
        if name == "token":
            token = child.text or None
        elif name == "objects":
            found = _object(child, stub, plans, is_mended=is_mended)
            if found is None:
                lost += 1
            else:
                objects.append(found)
    return Page(objects, token, lost)


def _taken_apart(body: bytes, stub: Any, broken: etree.XMLSyntaxError) -> Page:
    """Each object of a page that is not XML as a whole."""
    why = cut(str(broken), MOST_FAULT)
    pieces = list(_OBJECT.finditer(body))
    if not pieces:
        raise NotVSphere(f"The answer is not XML ({why}).") from broken
    objects: list[Found] = []
    lost = 0
    for piece in pieces:
        try:
            element = _parse(_ENVELOPE % piece[0])[0]
            found = _object(element, stub, _Plans(), is_mended=True)
        except etree.XMLSyntaxError as error:
            found = _unreadable(piece[0], stub, cut(str(error), MOST_FAULT))
        if found is None:
            lost += 1
        else:
            objects.append(found)
    token = _TOKEN.search(body, 0, pieces[0].start())
    return Page(objects, token[1].decode() if token else None, lost)


def _unreadable(piece: bytes, stub: Any, why: str) -> Found | None:
    named = _OBJ.search(piece)
    if named is None:
        return None
    try:
        ref = value_of(_parse(_ENVELOPE % named[0])[0], ManagedObject, stub)
    except (etree.XMLSyntaxError, NotAsDescribed):
        return None
    return Found(ref, {}, {}, problem=f"the server's answer is not XML: {why}")


def _object(element: Element, stub: Any, plans: _Plans, *, is_mended: bool) -> Found | None:
    """None for one without a reference: nothing can be said of it."""
    ref = _reference(element, stub)
    if ref is None:
        return None
    if not is_mended and (usual := _as_usual(element, type(ref), stub, plans)) is not None:
        return Found(ref, usual, {})
    read: dict[str, Any] = {}
    odd: dict[str, str] = {}
    missing: dict[str, Any] = {}
    for child in element:
        part = local_name(child)
        if part == "propSet":
            _keep_property(child, type(ref), stub, read, odd)
            if is_mended:
                _note_what_was_replaced(child, odd)
        elif part == "missingSet":
            path, fault = _gap(child, stub)
            missing[path] = fault
    for path, why in odd.items():
        if path not in read:
            missing.setdefault(path, vmodl.fault.NotSupported(msg=why))
    return Found(ref, read, missing, odd)


def _reference(element: Element, stub: Any) -> Any:
    obj = element[0] if len(element) else None
    if obj is None or obj.tag != _OBJECT_REFERENCE:  # it nearly always comes first
        obj = next(element.iterchildren("{*}obj"), None)
    if obj is None:
        return None
    try:
        return value_of(obj, ManagedObject, stub)
    except NotAsDescribed:
        return None


def _keep_property(
    element: Element, kind: Any, stub: Any, read: dict[str, Any], odd: dict[str, str]
) -> None:
    path, value = "", None
    for child in element:
        if local_name(child) == "name":
            path = cut(child.text or "", MOST_NAME)
        else:
            value = child
    try:
        declared = described(kind, path)
        if declared is None:
            raise NotAsDescribed(f"a {kind.__name__.rpartition('.')[2]} has no such property")
        if value is None or local_name(value) != "val":
            raise NotAsDescribed("it came without a value")
        if path in read or path in odd:
            read.pop(path, None)
            raise NotAsDescribed("it came twice")
        read[path] = value_of(value, declared, stub)
    except NotAsDescribed as why:
        odd[path] = str(why)


class _Plans(dict[tuple[Any, str | None, str | None], tuple[Maker, Any] | None]):
    """By the kind of object, a property's path and the type that its value says it is of: how that
    is made; None: not as usual. For one page, so that what a server invents is soon forgotten."""

    def __missing__(self, key: tuple[Any, str | None, str | None]) -> tuple[Maker, Any] | None:
        kind, path, said = key
        self[key] = None
        if path and len(path) <= MOST_NAME and len(said or "") <= MOST_NAME:
            declared = described(kind, path)
            with suppress(NotAsDescribed):
                self[key] = declared and plan_of(declared, said)
        return self[key]


def _as_usual(element: Element, kind: Any, stub: Any, plans: _Plans) -> dict[str, Any] | None:
    """The properties of an object of which everything is as described, as it nearly always is. None
    of any other: then each of its properties needs a closer look."""
    read: dict[str, Any] = {}
    for child in element.iterchildren(_PROPERTY):
        if len(child) != 2:
            return None
        named, value = child[:]  # type: ignore[index]
        path = named.text
        plan = plans[kind, path, value.get(XSI_TYPE)]
        if path is None or plan is None or named.tag != _NAME or value.tag != _VALUE:
            return None
        make, declared = plan
        try:
            if make is text_of and not len(value):
                read[path] = value.text or ""
            else:
                read[path] = make(value, declared, stub)
        except NotAsDescribed:
            return None
    # Besides there is the object's reference, and nothing else; no property came twice.
    return read if len(read) + 1 == len(element) else None


def _note_what_was_replaced(element: Element, odd: dict[str, str]) -> None:
    text = " ".join(map(str, element.itertext()))
    if REPLACED in text:
        path, _, said = text.partition(" ")
        odd.setdefault(path, f"it has characters that XML forbids: {shown(said)}")


def _gap(element: Element, stub: Any) -> tuple[str, Any]:
    path, fault = "", None
    for child in element:
        part = local_name(child)
        if part == "path":
            path = cut(child.text or "", MOST_NAME)
        elif part == "fault":
            fault = value_of(child, vmodl.MethodFault, stub)
    return path, fault or vmodl.fault.SystemError(msg="The server gives no reason.")
