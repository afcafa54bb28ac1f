"""Which of the privileges that vmrep needs the account at a vCenter has.

Asked with HasPrivilegeOnEntities (vSphere API 5.5, vCenter and ESXi), which judges the session
that asks, whatever groups its user is in; FetchUserPrivilegeOnEntities is newer (6.5) and needs
the user's name as the vCenter spells it. Asking itself needs System.View and System.Read: where
they are missing, the question is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyVmomi import vim

from contexts.vsphere.collector import BulkReading, gone_moref
from contexts.vsphere.errors import InvalidRequest, ObjectGone, PrivilegeMissing
from contexts.vsphere.names import decode_name
from contexts.vsphere.session import Session

# Privileges may be given per folder: this many VMs and datastores are checked.
MOST_ENTITIES = 100
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Privilege:
    """`id` is vSphere's own; `without` says what does not work without it. `scope` is the class
    of objects that it is needed on. `transport`: only that one needs it; empty: all do."""

    id: str
    without: str
    scope: Any
    transport: str = ""


PRIVILEGES: tuple[Privilege, ...] = (
    Privilege("System.View", "Nothing can be seen.", vim.Folder),
    Privilege("System.Read", "No specs can be read.", vim.Folder),
    Privilege(
        "VirtualMachine.Config.ChangeTracking",
        "Changed block tracking cannot be turned on.",
        vim.VirtualMachine,
    ),
    Privilege(
        "VirtualMachine.State.CreateSnapshot",
        "No snapshot can be taken, so nothing can be replicated.",
        vim.VirtualMachine,
    ),
    Privilege(
        "VirtualMachine.State.RemoveSnapshot",
        "vmrep cannot remove its own snapshots.",
        vim.VirtualMachine,
    ),
    Privilege(
        "VirtualMachine.Provisioning.DiskRandomRead",
        "vmrep cannot ask which areas of a disk changed, nor read disks over NFC.",
        vim.VirtualMachine,
    ),
    Privilege(
        "Datastore.Browse", "Disks cannot be read as datastore files.", vim.Datastore, "datastore"
    ),
    Privilege(
        "Datastore.FileManagement",
        "Some versions of vSphere do not let disks be read as datastore files.",
        vim.Datastore,
        "datastore",
    ),
)


@dataclass(frozen=True, slots=True)
class Missing:
    """A privilege that the account lacks on `count` of the `looked_at` objects that it is needed
    on; `examples` are some of their names (hostile text). No names: it is missing altogether."""

    privilege: Privilege
    count: int
    looked_at: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Privileges:
    """What was found. `missing` is None where the server does not answer such questions; `asked` is
    how many were asked for."""

    missing: tuple[Missing, ...] | None
    vms_seen: int
    datastores_seen: int
    asked: int


def read_privileges(session: Session, transports: Collection[str]) -> Privileges:
    """Compare the account's rights with those of PRIVILEGES that the transports (codes) need, on
    what it sees.

    Raises PrivilegeMissing when it may not even look: nothing at all could be read then.
    """
    seen = {
        kind: _some(session, kind, word)
        for kind, word in ((vim.VirtualMachine, "VMs"), (vim.Datastore, "datastores"))
    }
    needed = [one for one in PRIVILEGES if not one.transport or one.transport in transports]
    try:
        missing: tuple[Missing, ...] | None = tuple(_missing(session, seen, needed))
    except InvalidRequest:
        missing = None
    return Privileges(missing, len(seen[vim.VirtualMachine]), len(seen[vim.Datastore]), len(needed))


def _some(session: Session, kind: Any, word: str) -> dict[Any, str]:
    """Up to MOST_ENTITIES objects of a kind, with their names."""
    doing = f"Looking at which {word} {session.endpoint.username} may see"
    reading = BulkReading(session, doing, {kind: ("name",)}, MOST_ENTITIES, most=MOST_ENTITIES)
    page = next(iter(reading), [])
    refused = [fault for one in page for fault in one.missing.values() if _is_refusal(fault)]
    if refused and len(refused) == len(page):
        raise PrivilegeMissing(
            f"{doing}: the account lacks the privilege {refused[0].privilegeId}. Give its role"
            " this privilege, and try again.",
            privilege=refused[0].privilegeId,
        )
    return {one.ref: decode_name(str(one.properties.get("name", one.moref))) for one in page}


def _is_refusal(fault: Any) -> bool:
    return isinstance(fault, vim.fault.NoPermission)


def _missing(
    session: Session, seen: dict[Any, dict[Any, str]], needed: Sequence[Privilege]
) -> Iterable[Missing]:
    root = {session.content.rootFolder: "the whole inventory"}
    for scope in (vim.Folder, vim.VirtualMachine, vim.Datastore):
        wanted = [one for one in needed if one.scope is scope]
        if not wanted:
            continue
        # An account that sees no VM is judged where its rights would come from.
        entities = seen.get(scope) or root
        lacking = _lacking(session, list(entities), wanted)
        for privilege in wanted:
            refs = lacking[privilege.id]
            if refs:
                names = [entities[ref] for ref in refs[:_NAMED]]
                everywhere = len(refs) == len(entities)
                yield Missing(
                    privilege, len(refs), len(entities), () if everywhere else tuple(names)
                )


def _lacking(
    session: Session, entities: Sequence[Any], wanted: Sequence[Privilege]
) -> dict[str, list[Any]]:
    """For each privilege, the entities on which the session does not have it."""
    manager = session.content.authorizationManager
    ids = [privilege.id for privilege in wanted]
    doing = f"Asking for the privileges of {session.endpoint.username}"

    def ask(asked: list[Any]) -> Any:
        key = session.content.sessionManager.currentSession.key
        return manager.HasPrivilegeOnEntities(asked, key, ids)

    lacking: dict[str, list[Any]] = {privilege_id: [] for privilege_id in ids}
    for answer in _answers(session, doing, ask, entities):
        for one in answer.privAvailability:
            if not one.isGranted and one.privId in lacking:
                lacking[one.privId].append(answer.entity)
    return lacking


def _answers(
    session: Session, doing: str, ask: Callable[[list[Any]], Any], entities: Sequence[Any]
) -> Sequence[Any]:
    """vSphere refuses the whole question for one object that went meanwhile."""
    left = list(entities)
    while left:
        try:
            found: Sequence[Any] = session.invoke(doing, partial(ask, left))
            return found
        except ObjectGone as gone:
            before, moref = len(left), gone_moref(gone)
            left = [ref for ref in left if ref._moId != moref]
            if len(left) == before:
                raise
    return ()
