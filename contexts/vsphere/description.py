"""What pyVmomi's description of the API says: which types there are, and what is in them."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from pyVmomi import vmodl
from pyVmomi.VmomiSupport import (
    Enum,
    GetWsdlType,
    GuessWsdlType,
    ManagedObject,
    byte,
    double,
    long,
    short,
)

NAMESPACE = "urn:vim25"
_SCALARS: dict[str, Any] = {
    **{"string": str, "boolean": bool, "dateTime": datetime, "anyURI": str, "base64Binary": bytes},
    **{"byte": byte, "short": short, "int": int, "long": long, "float": float, "double": double},
}


@lru_cache(maxsize=4096)
def field_of(kind: Any, name: str) -> Any:
    """The type of one field of a kind of object; None when it has none of this name."""
    try:
        return kind._GetPropertyInfo(name).type
    except (AttributeError, KeyError):
        return None


@lru_cache(maxsize=1024)
def described(kind: Any, path: str) -> Any:
    """The type of a property path of a managed object's; None when there is none of this name."""
    at = kind
    for step in path.split("."):
        if (at := field_of(at, step)) is None:
            return None
    return at


@lru_cache(maxsize=4096)
def named(name: str) -> Any:
    """The type with a name of XML ("xsd:int", "VirtualDisk"); None when nobody knows it."""
    local = name.rpartition(":")[2]
    if local in _SCALARS:
        return _SCALARS[local]
    if local.endswith("ManagedObjectReference"):
        return ManagedObject.Array if local.startswith("ArrayOf") else ManagedObject
    if local == "anyType":
        return object
    try:
        return GetWsdlType(NAMESPACE, local)
    except KeyError:
        pass
    try:
        return GuessWsdlType(local)
    except KeyError:
        return None


@lru_cache(maxsize=4096)
def item_of(declared: Any) -> Any:
    """What an array holds; None for what is no array."""
    return declared.Item if issubclass(declared, list) else None


def fits(actual: Any, declared: Any) -> bool:
    """Whether a value of the type that it names itself may stand where another is declared."""
    if declared is object or issubclass(actual, declared):
        return True
    if issubclass(declared, list) or issubclass(actual, list):
        both = issubclass(declared, list) and issubclass(actual, list)
        return both and fits(actual.Item, declared.Item)
    if issubclass(declared, ManagedObject):
        return bool(actual is ManagedObject)  # the reference itself says of which kind it is
    if issubclass(declared, Exception):
        return issubclass(actual, vmodl.LocalizedMethodFault)
    if issubclass(declared, Enum):
        return bool(actual is str)
    if declared is bool or actual is bool:
        return False
    return issubclass(declared, int | float) and issubclass(actual, int | float)
