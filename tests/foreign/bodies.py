"""The bodies of the API's requests that name an object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from contexts.models import VCenter, VMContext
from tests.asking import World
from tests.foreign.outcomes import ABSENT, ABSENT_WORD

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
KEY = object()
"""Where the key stands."""


def by_name(world: World, mark: str) -> dict[str, object]:
    """What fields of these names are filled with to name an object: outside, nowhere, or within."""
    *_, elsewhere = world.outside
    if mark == "absent":
        texts = ("context_id", "vm_name", "vmware_vm_id", "vcenter_host", "folder", "resource")
        numbers = ("vm_id", "vcenter_id", "scope_id", "channel_id", "group_id")
        return dict.fromkeys(texts, ABSENT_WORD) | dict.fromkeys(numbers, ABSENT)
    keys = elsewhere if mark == "outside" else world.inside
    vm = VMContext.objects.get(pk=keys["context_id"])
    at = VCenter.objects.get(pk=vm.vcenter_id)
    return {
        **keys,
        **{"vm_name": vm.vm_name, "vmware_vm_id": vm.vmware_vm_id, "vcenter_host": at.host},
        **{"folder": str(vm.vm_path).rpartition("/")[0], "resource": f"{at.pk}"},
    }


class Body(NamedTuple):
    """`of`: what `by_name` fills KEY with. `who`: the user of a folder with the least role."""

    body: dict[str, Any]
    of: str
    who: str = "operator of a folder"


ADMIN = "admin of a folder"
_SCOPE = {"policies/{policy_id}/scopes/": "", "policies/{policy_id}/preview/": "scope."}
BODIES: dict[str, Body] = {
    "POST bulk-actions/ context_ids": Body({"kind": "pause", "context_ids": [KEY]}, "context_id"),
    "POST bulk-actions/ filter": Body(
        {"kind": "pause", "filter": {"vcenter": KEY}}, "vcenter_id", ADMIN
    ),
    "POST groups/ members": Body({"name": "mine", "members": [KEY]}, "context_id"),
    "PATCH groups/{group_id}/ members": Body({"members": [KEY]}, "context_id"),
    "PUT limits/ resource": Body(
        {"kind": "vcenter_jobs", "resource": KEY, "limit": 2}, "resource", ADMIN
    ),
    "PUT limits/bandwidth/ vcenter_id": Body({"vcenter_id": KEY, "windows": []}, "vcenter_id"),
    "POST pauses/ context_id": Body({"kind": "vm", "context_id": KEY}, "context_id"),
    "POST pauses/ vcenter_id": Body({"kind": "vcenter", "vcenter_id": KEY}, "vcenter_id"),
    "POST replications/ vm_name": Body({"vm_name": KEY}, "vm_name"),
    "POST replications/ vmware_vm_id": Body({"vmware_vm_id": KEY}, "vmware_vm_id"),
    "POST vm-contexts/ discovered_vm_ids": Body({"discovered_vm_ids": [KEY]}, "vm_id"),
    "POST vm-contexts/ vm_name": Body({"vm_name": KEY}, "vm_name"),
    "POST vm-contexts/ vmware_vm_id": Body({"vmware_vm_id": KEY}, "vmware_vm_id"),
    **{
        f"POST users/{{user_id}}/scopes/ {name}": Body(
            {"vcenter_id": 1, "folder": ""} | {name: KEY}, name, ADMIN
        )
        for name in ("vcenter_id", "folder")
    },
    "PATCH vcenters/{vcenter_id}/ confirm_instance_uuid": Body(
        {"confirm_instance_uuid": KEY}, "vmware_vm_id", ADMIN
    ),
    **{
        f"POST {path} {into}{name}": Body({"scope": body} if into else body, name, ADMIN)
        for path, into in _SCOPE.items()
        for name, body in {
            "context_id": {"kind": "vm", "context_id": KEY},
            "vcenter_id": {"kind": "vcenter", "vcenter_id": KEY},
            "folder": {"kind": "folder", "vcenter_id": 1, "folder": KEY},
        }.items()
    },
    "POST policies/{policy_id}/preview/ remove_scope_id": Body(
        {"remove_scope_id": KEY}, "scope_id", ADMIN
    ),
    **{
        f"{method} {path} {name}": Body({"channel_id": KEY} | {name: KEY}, name, ADMIN)
        for method, path in (
            ("POST", "notification-rules/"),
            ("PATCH", "notification-rules/{rule_id}/"),
        )
        for name in ("channel_id", "context_id", "vcenter_id")
    },
    **{
        f"POST vm-contexts/{{context_id}}/{act}-identity/ {name}": Body({name: KEY}, of)
        for act in ("confirm", "reject")
        for name, of in {"discovered_vm_id": "vm_id", "vmware_vm_id": "vmware_vm_id"}.items()
    },
}
NAMES = re.compile(
    r"(^|\.)(\w+_ids?|members|vm_name|vcenter_host|filter|resource|folder|\w+_uuid)$"
)
NOT_TRIED = ("repository_id", "policy_id", "vcenter_host")
"""With every scope one sees all repositories and policies; a host only says which of several VMs of
a name is meant."""


def fields() -> Iterator[tuple[str, str, str]]:
    """Of all bodies: the method, the path after /api/v1/, and the name, with those it is within."""
    schema = yaml.load(SCHEMA.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["schema"]
                for name in _names(body, schema["components"]["schemas"]):
                    yield method.upper(), path.removeprefix("/api/v1/"), name


def _names(body: dict[str, Any], shapes: dict[str, Any], into: str = "") -> Iterator[str]:
    if "$ref" in body:
        body = shapes[body["$ref"].rpartition("/")[2]]
    for part in (*body.get("allOf", ()), *body.get("oneOf", ()), *body.get("anyOf", ())):
        yield from _names(part, shapes, into)
    for name, field in body.get("properties", {}).items():
        yield f"{into}{name}"
        yield from _names(field, shapes, f"{into}{name}.")
    if isinstance(body.get("items"), dict):
        yield from _names(body["items"], shapes, into)


def filled(body: Any, key: object) -> Any:
    if body is KEY:
        return key
    if isinstance(body, dict):
        return {name: filled(each, key) for name, each in body.items()}
    return [filled(each, key) for each in body] if isinstance(body, list) else body
