"""What services tell the audit trail: who did what to which object, and what it was before.

A service calls `tell` within its transaction. The shell registers what writes the trail
(`listen`), and says who is acting (`acting`) before it calls a service; whatever nobody has said
that of is done by vmrep itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.db import connection, transaction
from django.db.models import Model, TextChoices

from contexts.text import storable

if TYPE_CHECKING:  # a command line says who is acting before any model is loaded
    from contexts.models import VCenter, VMContext

NAME_LENGTH = 255
VALUE_LENGTH = 500
MOST_OF_A_LIST = 50
CHANGED = "changed"
"""Told instead of a value that is nobody's to read."""


class Verb(TextChoices):
    """What was done."""

    ADD = "add", "Added"
    CHANGE = "change", "Changed"
    REMOVE = "remove", "Removed"
    TEST = "test", "Tested"
    DISCOVER = "discover", "Started a discovery"
    TAKE = "take", "Took under management"
    RELEASE = "release", "Removed from management"
    IDENTIFY = "identify", "Decided on the identity"
    REPLICATE = "replicate", "Started a replication"
    CANCEL = "cancel", "Cancelled"
    MOVE = "move", "Moved"
    PAUSE = "pause", "Paused"
    RESUME = "resume", "Ended a pause"
    PIN = "pin", "Pinned"
    UNPIN = "unpin", "Unpinned"
    COMMENT = "comment", "Commented on"
    DELETE = "delete", "Asked to delete"
    VERIFY = "verify", "Asked to verify"
    DELETE_REPLICA = "delete_replica", "Deleted the replica data"
    CHECK = "check", "Started an integrity check"
    REPAIR = "repair", "Repaired"
    FORGET = "forget", "Forgot old records"
    LOG_IN = "log_in", "Logged in"
    LOG_OUT = "log_out", "Logged out"
    REVOKE = "revoke", "Revoked"
    ROTATE = "rotate", "Rotated keys"
    PRUNE = "prune", "Pruned the audit trail"
    RESTORE = "restore", "Restored"
    BACK_UP = "back_up", "Backed up"
    EXPORT = "export", "Made a debug bundle of"
    REQUEST = "request", "Asked for"
    """Of a request that was refused before any service knew of it."""


class Via(TextChoices):
    """How an act came in."""

    PAGE = "page", "Page"
    API = "api", "API"
    ADMIN = "admin", "Administration"
    COMMAND = "command", "Command line"
    SCHEDULE = "schedule", "Schedule"
    SYSTEM = "system", "vmrep itself"


class Outcome(TextChoices):
    DONE = "done", "Done"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"


class Kind(TextChoices):
    """Of what an object is."""

    VCENTER = "vcenter", "vCenter"
    VM = "vm", "VM"
    JOB = "job", "Replication job"
    POINT = "recovery_point", "Recovery point"
    REPOSITORY = "repository", "Repository"
    POLICY = "policy", "Policy"
    GROUP = "group", "Group"
    PAUSE = "pause", "Pause"
    LIMIT = "limit", "Limit"
    BANDWIDTH = "bandwidth", "Bandwidth"
    BULK = "bulk_action", "Bulk action"
    INTEGRITY = "integrity_check", "Integrity check"
    CHANNEL = "channel", "Notification channel"
    RULE = "rule", "Notification rule"
    VIEW = "saved_view", "Saved view"
    USER = "user", "User"
    TOKEN = "token", "API token"
    SESSION = "session", "Session"
    ROLE = "role", "Role"
    SCOPE = "scope", "Scope of a user"
    INSTALLATION = "installation", "Installation"
    TRAIL = "audit_trail", "Audit trail"
    ADDRESS = "address", "Address"
    """Of a page or of the API."""


class Subject(NamedTuple):
    """The object of an act. `key` and `name` as they are now: the trail outlives every row.
    `vm`, `vcenter_id` and `folder` say whose it is; a folder is as in the VMs' paths."""

    kind: str
    key: str
    name: str
    vm: str = ""
    vcenter_id: int | None = None
    folder: str = ""


class Source(Protocol):
    """Who is acting. `actor`: a user's name, or that of a part of vmrep; empty: as the service
    says. `note`: what is told of each act besides its new values."""

    @property
    def via(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def user_id(self) -> int | None: ...
    @property
    def address(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def note(self) -> Mapping[str, object]: ...


@dataclass(frozen=True)
class Somebody:
    """A Source that is known at once."""

    via: str = Via.SYSTEM
    actor: str = ""
    user_id: int | None = None
    address: str = ""
    request_id: str = ""
    note: Mapping[str, object] = field(default_factory=dict)


class Act(NamedTuple):
    """One act, as it is written. Values are numbers, texts, truth values, nulls or lists of them;
    none is secret."""

    verb: str
    subject: Subject
    outcome: str
    actor: str
    user_id: int | None
    via: str
    address: str
    request_id: str
    job_id: str
    old: Mapping[str, object]
    new: Mapping[str, object]


NOBODY = "(nobody)"
"""Who is not logged in."""
SCHEDULE = "schedule"
"""The actor that services name when a schedule starts something."""

_source: ContextVar[Source | None] = ContextVar("who is acting", default=None)
_depth: ContextVar[int] = ContextVar("transactions that gather acts", default=0)
_NOBODY = Somebody()
_writers: list[Callable[[Sequence[Act]], None]] = []


def listen(writer: Callable[[Sequence[Act]], None]) -> None:
    """From now on `writer` is given every act, in the transaction of the act, in order."""
    _writers[:] = [writer]


@contextmanager
def acting(source: Source) -> Iterator[None]:
    """Whatever is done within is done by that source."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


def source() -> Source:
    """Who is acting now."""
    return _source.get() or _NOBODY


# --- Objects ------------------------------------------------------------------------------------


def subject(
    kind: Kind,
    key: object,
    name: object,
    *,
    vm: VMContext | None = None,
    vcenter_id: int | None = None,
) -> Subject:
    """`vm`: whose it is, if it is a VM's."""
    shown = storable(str(name), NAME_LENGTH)
    if vm is None:
        return Subject(kind, str(key), shown, vcenter_id=vcenter_id)
    folder = (vm.vm_path or "").rpartition("/")[0]
    return Subject(kind, str(key), shown, str(vm.pk), vm.vcenter_id, storable(folder))


def vm(context: VMContext) -> Subject:
    return subject(Kind.VM, context.pk, context.vm_name or context.pk, vm=context)


def vcenter(row: VCenter) -> Subject:
    return subject(Kind.VCENTER, row.pk, row.name, vcenter_id=row.pk)


# --- Values -------------------------------------------------------------------------------------

# What may be read of an object's values. Of every other one the trail tells that it changed, and
# no more: a new column is secret until somebody names it here.
SHOWN: dict[str, frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        Kind.VCENTER: "name host port username trust_mode fingerprint_sha256 transport"
        " nbd_command instance_uuid host_uuid why",
        Kind.VM: "repository instance_uuid decision disk left_out policy rpo_target_seconds"
        " sync trigger group why finding repair own_policy"
        " recovery_points images stored_bytes",
        Kind.JOB: "status",
        Kind.POINT: "consistent_at comment why repository points",
        Kind.REPOSITORY: "name path reserve_bytes vms points",
        Kind.POLICY: "name place takes_new windows rpo_kind rpo_target_seconds cron time_zone"
        " latest_start_minutes retention_kind keep_last keep_hourly keep_daily keep_weekly"
        " keep_monthly keep_yearly quiesce most_running give_up_after_minutes"
        " compare_every_days verify_every_days priority repository_id",
        Kind.GROUP: "name vm position order jobs trigger",
        Kind.PAUSE: "until reason",
        Kind.LIMIT: "value",
        Kind.BANDWIDTH: "windows",
        Kind.BULK: "kind subject vms until reason",
        Kind.INTEGRITY: "deep repair",
        Kind.CHANNEL: "name kind address enabled quiet_from_minute quiet_to_minute time_zone"
        " digest_after digest_seconds report_at_minute why",
        Kind.RULE: "channel kinds about even_when_quiet enabled",
        Kind.VIEW: "name page is_shared is_default",
        Kind.USER: "name username email is_active is_superuser is_staff roles why",
        Kind.TOKEN: "name scopes expires_at user prefix why",
        Kind.SESSION: "user why",
        Kind.ROLE: "name permissions",
        Kind.SCOPE: "user vcenter folder",
        Kind.INSTALLATION: "jobs points runs secrets left finding repair path with_keys why",
        Kind.TRAIL: "through digest rows why",
        Kind.ADDRESS: "method status view why",
    }.items()
}
_NOTES = frozenset({"bulk_action"})

# A secret is told by one word, in either state.
SECRET = frozenset({"password", "password_encrypted", "config_encrypted", "settings"})


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs, before and after."""
    names = [name for name in new if old.get(name) != new[name]]
    return {name: old.get(name) for name in names}, {name: new[name] for name in names}


def values_of(row: Model, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _shown(kind: str, values: Mapping[str, object]) -> dict[str, object]:
    allowed = SHOWN[kind] | _NOTES
    return {
        name: _plain(value) if name in allowed and name not in SECRET else CHANGED
        for name, value in values.items()
    }


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple):
        plain = [_plain(each) for each in value]
        more = len(plain) - MOST_OF_A_LIST
        return plain if more <= 0 else [*plain[:MOST_OF_A_LIST], f"and {more} more"]
    return storable(str(value), VALUE_LENGTH)


# --- Telling ------------------------------------------------------------------------------------


def tell(
    verb: Verb,
    about: Subject,
    *,
    actor: str = "",
    old: Mapping[str, object] | None = None,
    new: Mapping[str, object] | None = None,
    outcome: Outcome = Outcome.DONE,
    job_id: str = "",
) -> None:
    """Tell the trail of an act, in its transaction: both are there, or neither.

    `actor`: who it is if nobody said who is acting, such as "schedule". What `SHOWN` does not name
    is told without its value. Raises RuntimeError outside a transaction, or outside `gathered`.
    """
    if not connection.in_atomic_block or not _depth.get():
        raise RuntimeError("an act is told within its transaction, which gathers what is told")
    who = source()
    via = who.via
    name = who.actor or actor or (Via.SYSTEM if via == Via.SYSTEM else NOBODY)
    name = storable(name, NAME_LENGTH)
    if via == Via.SYSTEM and name == SCHEDULE:
        via = Via.SCHEDULE
    act = Act(
        verb=verb,
        subject=about,
        outcome=outcome,
        actor=name,
        user_id=who.user_id,
        via=via,
        address=who.address,
        request_id=who.request_id,
        job_id=job_id,
        old=_shown(about.kind, old or {}),
        new=_shown(about.kind, {**(new or {}), **who.note}),
    )
    # As with a callback: what is rolled back to a savepoint takes what was told with it.
    transaction.on_commit(_Told(act))


class _Told:
    """An act that waits to be written, kept where the connection keeps what waits for a commit."""

    def __init__(self, act: Act) -> None:
        self.act, self.is_written = act, False

    def __call__(self) -> None:
        """Nothing is left to do after the commit."""


@contextmanager
def gathered() -> Iterator[None]:
    """Acts that are told within are written together at the end, as the last thing the transaction
    does: every writer of the trail waits for the one before it until that commits, so whoever has
    written must want nothing that another holds. It belongs around all of the transaction."""
    depth = _depth.get()
    token = _depth.set(depth + 1)
    try:
        yield
        if not depth:
            _write()
    finally:
        _depth.reset(token)


def _write() -> None:
    waiting = [
        each
        for _, each, *_ in connection.run_on_commit
        if isinstance(each, _Told) and not each.is_written
    ]
    if not waiting:
        return
    for each in waiting:
        each.is_written = True
    for writer in _writers:
        writer([each.act for each in waiting])
