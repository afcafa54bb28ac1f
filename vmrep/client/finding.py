"""The one object that a name means; never one of several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from vmrep.client.client import Client
from vmrep.client.errors import ClientError, Refused
from vmrep.client.generated import models

_IDENTIFIER = re.compile(r"[A-Za-z0-9._-]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Row = TypeVar("Row", bound=Mapping[str, object])


class NotTheOne(ClientError):
    """No object has this name, or several have it."""


def vm(client: Client, name: str, vcenter: str | None) -> models.EverythingAnswer:
    """The VM under management with this name or instance UUID, at this vCenter, or with this
    context ID. Raises Refused, with the candidates when there are several."""
    try:
        return client.get_vm_context_lookup(vm_name=name, vcenter_host=vcenter)
    except Refused as problem:
        if problem.code != "unknown_vm" or not _IDENTIFIER.fullmatch(name):
            raise
        try:
            if _UUID.fullmatch(name.lower()):
                return client.get_vm_context_lookup(vmware_vm_id=name, vcenter_host=vcenter)
            if vcenter is None:
                return client.get_vm_context(name)
            raise
        except Refused as no_context:
            if no_context.status == 404:
                raise problem from None
            raise


def vcenter(client: Client, text: str) -> models.VCenter:
    """By name, host, host and port, or ID."""
    found = list(client.all_vcenters())
    return _one(
        [
            each
            for each in found
            if text in (each["name"], str(each["id"]), f"{each['host']}:{each['port']}")
            or text.lower() == each["host"].lower()
        ],
        f"vCenter {text!r}",
        (f"{each['name']} ({each['host']}:{each['port']}, ID {each['id']})" for each in found),
    )


def policy(client: Client, text: str) -> models.Policy:
    found = list(client.all_policies())
    return _one(
        [each for each in found if text in (each.get("name"), str(each["id"]))],
        f"policy {text!r}",
        (f"{each.get('name')} (ID {each['id']})" for each in found),
    )


def repository(client: Client, text: str) -> models.Repository:
    found = list(client.all_repositories())
    return _one(
        [each for each in found if text in (each["name"], str(each["id"]))],
        f"repository {text!r}",
        (f"{each['name']} (ID {each['id']})" for each in found),
    )


def _one(found: list[Row], what: str, there_are: Iterable[str]) -> Row:
    if len(found) == 1:
        return found[0]
    said = ", ".join(there_are) or "none"
    raise NotTheOne(
        f"There is no {what}. There are: {said}."
        if not found
        else f"Several match {what}: name one by its ID. There are: {said}."
    )
