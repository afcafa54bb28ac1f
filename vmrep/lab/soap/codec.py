"""SOAP on the server's side, built on pyVmomi's own types, serialisers and parsers.

pyVmomi ships a client only, but its type tables describe every method of the API. A request is
read by giving pyVmomi's deserialiser a data object type per method, whose fields are `_this` and
the method's parameters. Results and faults are written by the serialiser that pyVmomi's client
uses for its requests, so that it can read back whatever it can express.
"""

from __future__ import annotations

import datetime
import io
import re
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from pyVmomi import SoapAdapter, vim, vmodl
from pyVmomi.VmomiSupport import (
    F_OPTIONAL,
    DataObject,
    Enum,
    GetWsdlMethod,
    GetWsdlNamespace,
    ManagedObject,
    Object,
    versionIdMap,
)

VERSION = "vim.version.v8_0_2_0"
NAMESPACE: str = GetWsdlNamespace(VERSION)
VERSION_ID: str = versionIdMap[VERSION]
SERVICE_VERSIONS = (
    '<?xml version="1.0" encoding="UTF-8" ?><namespaces version="1.0"><namespace>'
    f"<name>{NAMESPACE}</name><version>{VERSION_ID}</version></namespace></namespaces>"
)


class RawXml(str):
    """A result that is XML already (the property collector's, made from cached pieces)."""

    __slots__ = ()


@dataclass(frozen=True)
class Call:
    """One request: the method's WSDL name and description, and its arguments (with `_this`)."""

    method: str
    info: Any
    arguments: Any

    @property
    def target(self) -> Any:
        """The reference that the method is called on, or None when the request lacks it."""
        return self.arguments._this


def utc_now() -> datetime.datetime:
    """This moment, aware, in UTC: the server's clock."""
    return datetime.datetime.now(datetime.UTC)


def make(kind: Any, **values: Any) -> Any:
    """A data object of which all required fields are set.

    Fields that `values` leaves out get an empty object, the enumeration's first value or the
    present time; the serialiser refuses objects with unset required fields.
    """
    made = kind(**values)
    for field in kind._GetPropertyList():
        if getattr(made, field.name) is not None or field.flags & F_OPTIONAL:
            continue
        if issubclass(field.type, DataObject):
            setattr(made, field.name, make(field.type))
        elif issubclass(field.type, Enum):
            setattr(made, field.name, field.type.values[0])
        elif field.type is datetime.datetime:
            setattr(made, field.name, utc_now())
    return made


def copied(source: Any, **changes: Any) -> Any:
    """A shallow copy of a data object with some fields replaced."""
    values = {f.name: getattr(source, f.name) for f in source._GetPropertyList()}
    return type(source)(**{**values, **changes})


_request_types: dict[str, tuple[Any, Any]] = {}


def _request_type(namespace: str, name: str) -> tuple[Any, Any]:
    """The description of a method and the data object type that holds its arguments."""
    if name not in _request_types:
        if name == "RetrieveInternalContent":
            # what the vendor's own clients ask for the references that the API does not show
            info = Object(
                name=name, wsdlName=name, params=(), version=VERSION, result=object, resultFlags=0
            )
        elif name == "Fetch":
            # pyVmomi's read of `obj.prop`: on the wire, but in no type table
            parameter = Object(name="prop", type=str, version=VERSION, flags=0)
            info = Object(
                name=name,
                wsdlName=name,
                params=(parameter,),
                version=VERSION,
                result=object,
                resultFlags=F_OPTIONAL,
            )
        else:
            info = GetWsdlMethod(namespace, name).info
        fields = [
            Object(name="_this", type=ManagedObject, version=VERSION, flags=F_OPTIONAL),
            *info.params,
        ]
        members = {
            "_propList": fields,
            "_propInfo": {f.name: f for f in fields},
            "_wsdlName": name,
            "_version": VERSION,
        }
        _request_types[name] = info, type(name, (DataObject,), members)
    return _request_types[name]


class _RequestParser(SoapAdapter.ExpatDeserializerNSHandlers):
    """Finds the element in the SOAP body and hands it to pyVmomi's deserialiser."""

    def __init__(self) -> None:
        super().__init__()
        self._in_body = False
        self._call: tuple[str, Any] | None = None
        self._deserializer = SoapAdapter.SoapDeserializer()
        self.parser = ParserCreate(namespace_separator=SoapAdapter.NS_SEP)
        self.parser.buffer_text = True
        # no entity of a request is ever expanded (pyVmomi's client sends none)
        self.parser.EntityDeclHandler = self._refuse_entities
        SoapAdapter.SetHandlers(self.parser, SoapAdapter.GetHandlers(self))

    def parse(self, data: bytes) -> Call:
        self.parser.Parse(data, True)
        if self._call is None:
            raise invalid_request("the SOAP body holds no method call")
        name, info = self._call
        return Call(name, info, self._deserializer.GetResult())

    def _refuse_entities(self, *_: Any) -> None:
        raise invalid_request("a request must not declare entities")

    def StartElementHandler(self, tag: str, attributes: Any) -> None:
        if self._in_body:
            namespace, _, name = tag.rpartition(SoapAdapter.NS_SEP)
            info, kind = _request_type(namespace, name)
            self._call = name, info
            self._deserializer.Deserialize(self.parser, kind, nsMap=self.nsMap)
            self._deserializer.StartElementHandler(tag, attributes)
        self._in_body = tag == SoapAdapter.XMLNS_SOAPENV + SoapAdapter.NS_SEP + "Body"

    def EndElementHandler(self, tag: str) -> None:
        """Nothing to do outside the call."""

    def CharacterDataHandler(self, data: str) -> None:
        """Nothing to do outside the call."""


def invalid_request(reason: str) -> Any:
    """The fault for a request that cannot be understood."""
    return vmodl.fault.InvalidRequest(msg=reason)


def parse(data: bytes) -> Call:
    """Read a SOAP request. Raises vmodl's InvalidRequest when it cannot be understood or lacks
    an argument that the method requires."""
    try:
        call = _RequestParser().parse(data)
    except vmodl.MethodFault:
        raise
    except (ExpatError, AttributeError, KeyError, TypeError, ValueError, LookupError) as error:
        # what pyVmomi's deserialiser raises for unknown methods, fields and malformed values
        raise invalid_request(f"cannot read the request: {error}") from error
    for field in call.info.params:
        value = getattr(call.arguments, field.name)
        if value is None and not field.flags & F_OPTIONAL:
            raise vmodl.fault.InvalidArgument(
                invalidProperty=field.name,
                msg=f"A specified parameter was not correct: {field.name} (required, not given)",
            )
    return call


class _Serializer(SoapAdapter.SoapSerializer):
    """Names the type of a single reference as vCenter does, and as all clients but pyVmomi need."""

    def _QName(self, typ: Any, defNS: Any) -> Any:
        declared, name = super()._QName(typ, defNS)
        return declared, f"{name}Reference" if typ is ManagedObject else name


def serialise(value: Any, info: Any) -> str:
    """XML of a value under the element name and type that `info` gives."""
    out = io.StringIO()
    serializer = _Serializer(out, VERSION, {**SoapAdapter.SOAP_NSMAP, NAMESPACE: ""})
    serializer.outermostAttrs = ""  # pyVmomi marks its requests with versionId; answers have none
    serializer.Serialize(value, info)
    return out.getvalue()


def any_value(name: str, value: Any) -> str:
    """XML of a value whose type the reader cannot know (`xsi:type` is written)."""
    return serialise(value, Object(name=name, type=object, version=VERSION, flags=F_OPTIONAL))


def reference(name: str, ref: Any) -> str:
    """XML of a managed object reference."""
    return serialise(ref, Object(name=name, type=ManagedObject, version=VERSION, flags=0))


def escape(text: str) -> str:
    """Text made safe between XML tags."""
    return str(SoapAdapter.XmlEscape(text))


def _envelope(body: str) -> bytes:
    parts = (SoapAdapter.XML_HEADER, "\n", SoapAdapter.SOAP_START, body, SoapAdapter.SOAP_END)
    # What the control surface was asked to answer may hold single bytes (see `odd_answers`).
    return "".join(parts).encode("utf-8", "surrogateescape")


def response(method: str, info: Any, value: Any) -> bytes:
    """The answer to a call; an unset or empty result is an empty response element."""
    if isinstance(value, RawXml):
        inner = f"<returnval>{value}</returnval>"
    elif value is None or (isinstance(value, list) and not value):
        inner = ""
    else:
        result = Object(name="returnval", type=info.result, version=VERSION, flags=info.resultFlags)
        inner = serialise(value, result)
    return _envelope(f'<{method}Response xmlns="{NAMESPACE}">{inner}</{method}Response>')


def fault_response(fault: Any) -> bytes:
    """The answer that carries a fault, as vCenter writes it: the detail element is `<XFault>`, and
    says its type, by which clients other than pyVmomi know it."""
    kind = fault._wsdlName
    name = f"{kind}Fault"
    info = Object(name=name, type=type(fault), version=VERSION, flags=0)
    namespaces = {**SoapAdapter.SOAP_NSMAP, NAMESPACE: ""}
    detail = SoapAdapter.SerializeFaultDetail(fault, info, VERSION, namespaces)
    detail = detail.replace(f"<{name}", f'<{name} xsi:type="{kind}"', 1)
    return _envelope(
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode>"
        f"<faultstring>{escape(fault.msg or '')}</faultstring>"
        f"<detail>{detail}</detail></soapenv:Fault>"
    )


def fault_named(name: str, message: str) -> Any:
    """A fault by its vSphere name (`FileFault`, `TaskInProgress`, `SystemError` …).

    `unknown:Name` makes a fault that no client can know. Raises ValueError for a name that is not
    a fault of the API."""
    if re.fullmatch(r"unknown:[A-Z]\w*", name):
        new = name.partition(":")[2]
        return type(new, (vmodl.MethodFault,), {"_wsdlName": new})(msg=message)
    for module in (vim.fault, vmodl.fault, vmodl.query, vmodl):
        kind = getattr(module, name, None)
        if isinstance(kind, type) and issubclass(kind, vmodl.MethodFault):
            fault = make(kind, msg=message)
            for field in kind._GetPropertyList():
                if getattr(fault, field.name) is not None or field.flags & F_OPTIONAL:
                    continue
                if issubclass(field.type, str):
                    setattr(fault, field.name, "")
                elif issubclass(field.type, ManagedObject):
                    concrete = vim.Folder if field.type is ManagedObject else field.type
                    setattr(fault, field.name, concrete("unknown-0"))
            return fault
    raise ValueError(f"{name!r} is not the name of a vSphere fault")
