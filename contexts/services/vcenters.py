"""Adding, changing, removing and connecting to vCenters. Passwords are stored, never shown."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now

from contexts import crypto, selectors, trail
from contexts.errors import ContextError, UnknownVCenter, VCenterChanged, VCenterInUse
from contexts.models import VCenter, VMContext
from contexts.services import estates, logins, nbd_commands, replacement
from contexts.services.nbd_commands import NbdCommandRefused
from contexts.services.transactions import one_transaction
from contexts.services.waiting import SECONDS, wait_for
from contexts.states import TransportKind, TrustMode
from contexts.text import plural
from contexts.trail import Outcome, Verb
from contexts.vsphere import addresses
from contexts.vsphere.budget import Budget
from contexts.vsphere.endpoint import Endpoint, Trust, format_fingerprint
from contexts.vsphere.endpoint import TrustMode as TrustModeName
from contexts.vsphere.errors import LoginRefused, OtherEstate, VSphereError
from contexts.vsphere.hosts import lone_host_uuid
from contexts.vsphere.privileges import Privileges, read_privileges
from contexts.vsphere.server import About
from contexts.vsphere.session import Session, who_answers
from contexts.vsphere.tls import Certificate, why_not_trusted
from contexts.vsphere.tls import presented_certificate as _presented_certificate
from contexts.vsphere.transports import TRANSPORTS

log = logging.getLogger(__name__)

SEALED = "password_encrypted"
# What the password is for: to change any of it, it has to be entered again.
_BOUND = crypto.bound_to(VCenter, SEALED)

CONNECT_TIMEOUT_SECONDS = 15.0  # for a single call
_TOLD = (
    *("name", "host", "port", "username", "password_encrypted", "trust_mode"),
    *("fingerprint_sha256", "transport", "nbd_command", "instance_uuid", "host_uuid"),
)
_MOST_BYTES = 4 << 20  # a connection test reads a few hundred names and privileges


def endpoint(vcenter: VCenter) -> Endpoint:
    """What the vSphere layer needs to reach the vCenter, with the password decrypted."""
    return Endpoint(
        host=vcenter.host,
        port=vcenter.port,
        username=vcenter.username,
        password=crypto.unseal(vcenter, SEALED),
        trust=Trust(
            mode=cast(TrustModeName, vcenter.trust_mode),
            fingerprint_sha256=vcenter.fingerprint_sha256 or None,
        ),
        instance_uuid=vcenter.instance_uuid or None,
        host_uuid=vcenter.host_uuid or None,
    )


def presented_certificate(host: str, port: int) -> Certificate:
    """The certificate that a server shows, for the operator to confirm. Nothing is sent to it.

    Raises as `look_at` does.
    """
    return wait_for(
        host, lambda: _presented_certificate(host, port, CONNECT_TIMEOUT_SECONDS, _budget())
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """A server's certificate. `problem`: why this machine does not trust it; empty if it does."""

    certificate: Certificate
    problem: str


def look_at(host: str, port: int) -> Looked:
    """Which server answers at an address, before any login. Nothing is sent to it.

    Raises AddressUnknown, ConnectionRefused, ConnectionLost, NotVSphere (no TLS there), and
    ServersBusy when too many requests are already waiting for servers.
    """

    def look() -> Looked:
        budget = _budget()
        certificate = _presented_certificate(host, port, CONNECT_TIMEOUT_SECONDS, budget)
        problem = why_not_trusted(host, port, CONNECT_TIMEOUT_SECONDS, budget)
        return Looked(certificate, problem or "")

    return wait_for(host, look)


def silence(vcenter: VCenter, seconds: float) -> str:
    """Why a vCenter does not answer; empty if it does. It is asked without a login, in `seconds`
    at most, unless the name cannot be looked up. Uses no database."""
    trust = Trust(
        mode=cast(TrustModeName, vcenter.trust_mode),
        fingerprint_sha256=vcenter.fingerprint_sha256 or None,
    )
    place = Endpoint(host=vcenter.host, port=vcenter.port, username="", password="", trust=trust)
    try:
        who_answers(place, seconds, Budget(seconds, _MOST_BYTES))
    except VSphereError as problem:
        return str(problem)
    return ""


class Seen(NamedTuple):
    """Which server answered, and what the account may do. `host_uuid`: that of an ESXi host."""

    about: About
    privileges: Privileges
    host_uuid: str | None


class _KnownServer(Session):
    """A session with the server that was added, and with no other: also of lone hosts, which can be
    told apart only after the login."""

    def __init__(
        self,
        vcenter: VCenter,
        reading: Budget | None,
        on_answer: Callable[[float], None] | None,
    ) -> None:
        super().__init__(
            endpoint(vcenter),
            reading=reading,
            logins=logins.Logins(vcenter),
            on_answer=on_answer,
        )
        self._vcenter = vcenter

    def connect(self) -> None:
        super().connect()
        try:
            estates.recognise_host(self._vcenter, self)
        except BaseException:
            self.close()
            raise


def session(
    vcenter: VCenter,
    *,
    reading: Budget | None = None,
    on_answer: Callable[[float], None] | None = None,
) -> Session:
    """A session as workers have it: a refused login is remembered, and not tried again. Whatever
    connects it gets OtherEstate where another server answers than the known one. `on_answer` hears
    how many seconds each answer took."""
    return _KnownServer(vcenter, reading, on_answer)


def test_stored(vcenter: VCenter) -> Seen:
    """Test the connection once with the stored login, whatever was refused before, and remember the
    outcome. Raises as `test_connection` does."""
    try:
        seen = _test_stored(vcenter)
    except (VSphereError, ContextError) as problem:
        _tell_of_test(vcenter, str(problem))
        raise
    _tell_of_test(vcenter, "")
    return seen


@one_transaction
def _tell_of_test(vcenter: VCenter, problem: str) -> None:
    outcome = Outcome.FAILED if problem else Outcome.DONE
    new = {"why": problem} if problem else {}
    trail.tell(Verb.TEST, trail.vcenter(vcenter), new=new, outcome=outcome)


def _test_stored(vcenter: VCenter) -> Seen:
    try:
        seen = test_connection(endpoint(vcenter), _transports(vcenter))
        estates.require_host(vcenter, seen.about, seen.host_uuid)
    except LoginRefused as problem:
        logins.refused(vcenter, problem)
        raise
    except OtherEstate as problem:
        if problem.presented:
            logins.found_another(vcenter, problem.presented)
        raise
    logins.accepted(vcenter)
    return seen


def test_connection(target: Endpoint, transports: Collection[str]) -> Seen:
    """Log in, look around, and log out. `transports` (codes) decide which rights are missed. Raises
    a VSphereError that says what is wrong and what to do, and ServersBusy when too many requests
    are already waiting for servers."""

    def test() -> Seen:
        with Session(target, timeout=CONNECT_TIMEOUT_SECONDS, reading=_budget()) as session:
            rights = read_privileges(session, transports)
            return Seen(session.about, rights, lone_host_uuid(session))

    return wait_for(target.host, test)


def _transports(vcenter: VCenter) -> set[str]:
    """Those by which the vCenter's disks are read: of several candidates the best one, and what
    managed VMs are really read by."""
    candidates = TRANSPORTS[vcenter.transport].candidates
    managed = VMContext.objects.filter(vcenter_id=vcenter.pk, unmanaged_at__isnull=True)
    used = managed.filter(transport__in=candidates).values_list("transport", flat=True)
    return {candidates[0], *used.distinct()}


def _budget() -> Budget:
    """The budget for everything that one web request asks of a server."""
    return Budget(SECONDS, _MOST_BYTES)


def read_address(text: str, port: int) -> tuple[str, int]:
    """Host and port out of an address as people copy it. Raises ValidationError."""
    try:
        address = addresses.parse(text)
    except ValueError as problem:
        raise ValidationError({"host": str(problem)}) from problem
    return address.host, address.port or port


def add(
    *,
    name: str,
    host: str,
    port: int = 443,
    username: str,
    password: str,
    trust_mode: str = TrustMode.VERIFY,
    fingerprint_sha256: str = "",
    transport: str = TransportKind.AUTO,
    nbd_command: str = "",
) -> VCenter:
    """Test the connection, then save the vCenter. Raises a VSphereError or ValidationError.

    `host` is whatever people copy as an address; a port in it counts more than `port`.
    """
    host, port = read_address(host, port)
    vcenter = VCenter(
        name=name,
        host=host,
        port=port,
        username=username,
        trust_mode=trust_mode,
        fingerprint_sha256=format_fingerprint(fingerprint_sha256) if fingerprint_sha256 else "",
        transport=transport,
        nbd_command=nbd_command,
    )
    crypto.seal(vcenter, SEALED, password)
    _check(vcenter)
    _connect(vcenter)
    _store_new(vcenter)
    return vcenter


@one_transaction
def _store_new(vcenter: VCenter) -> None:
    vcenter.save(force_insert=True)
    trail.tell(Verb.ADD, trail.vcenter(vcenter), new=trail.values_of(vcenter, *_TOLD))


def update(
    vcenter: VCenter,
    *,
    password: str | None = None,
    confirm_instance_uuid: str | None = None,
    actor: str = "",
    require: Callable[[], None] | None = None,
    **changes: Any,
) -> VCenter:
    """Change a vCenter. A new host, port or trust mode needs the password again. `require` is
    called within the transaction, just before anything is written: it raises to prevent that.

    `confirm_instance_uuid`: somebody (`actor`) says that the vCenter was rebuilt, and has this UUID
    now (of a lone ESXi host: this hardware UUID). Contexts and recovery points stay; of each VM
    somebody has to confirm which one it is.

    A stored password is sent only to the address that it was entered for: otherwise anyone who may
    edit an address could have the password sent to their own server.
    """
    if "host" in changes and changes["host"] != vcenter.host:
        port = changes.get("port", vcenter.port)
        changes["host"], changes["port"] = read_address(changes["host"], port)
    if password is None and any(
        name in changes and changes[name] != getattr(vcenter, name) for name in _BOUND
    ):
        raise VCenterChanged(
            "To change the address, the user or the certificate trust, enter the password again."
        )
    former = trail.values_of(vcenter, *_TOLD)
    for name, value in changes.items():
        setattr(vcenter, name, value)
    if password is not None:
        crypto.seal(vcenter, SEALED, password)
        # All of it, whatever somebody else changed meanwhile: in parts it would be unreadable.
        changes |= {name: getattr(vcenter, name) for name in (SEALED, *_BOUND)}
    _check(vcenter)
    before = vcenter.estate_uuid
    _connect(vcenter, confirm_instance_uuid, by_hand=password is not None)
    written = {name: getattr(vcenter, name) for name in {*changes, *estates.LEARNED}}
    forgotten = {"login_refused_at": None, "login_refused_why": ""}
    forgotten |= {"found_at": None, "found_instance_uuid": ""}
    is_another = bool(confirm_instance_uuid and before and vcenter.estate_uuid != before)
    former_uuid = before if is_another else ""
    _store(vcenter, written | forgotten, former, former_uuid, actor=actor, require=require)
    vcenter.refresh_from_db()
    return vcenter


@one_transaction
def _store(
    vcenter: VCenter,
    columns: dict[str, Any],
    former: dict[str, Any],
    former_uuid: str,
    *,
    actor: str,
    require: Callable[[], None] | None,
) -> None:
    """`former`: what was there before. `former_uuid`: the vCenter is another one now; its contexts
    are locked first, as everywhere. Raises ContextBusy, UnknownVCenter."""
    contexts = replacement.lock(vcenter) if former_uuid else []
    rows = VCenter.objects.filter(pk=vcenter.pk)
    if require is not None:
        list(rows.select_for_update(no_key=True).values("pk"))
        require()
    if not rows.update(**columns, updated_at=Now()):
        raise UnknownVCenter(f"The vCenter {vcenter.name} has been removed. Add it again.")
    if former_uuid:
        replacement.record(vcenter, contexts, former_uuid, actor=actor)
    old, new = trail.changes(former, trail.values_of(vcenter, *_TOLD))
    trail.tell(Verb.CHANGE, trail.vcenter(vcenter), actor=actor, old=old, new=new)


def remove(vcenter: VCenter) -> None:
    """Remove a vCenter and its discovered VMs from vmrep. Nothing changes in the vCenter itself.

    Raises VCenterInUse while a VM's record, under management or not, belongs to it, or a discovery
    reads it; UnknownVCenter when it has already been removed.
    """
    try:
        with transaction.atomic(), trail.gathered():
            # A transaction that takes one of its VMs meanwhile commits later and is refused.
            locked = VCenter.objects.select_for_update().filter(pk=vcenter.pk).first()
            if locked is None:
                raise UnknownVCenter(f"The vCenter {vcenter.name} has already been removed.")
            _require_unused(locked)
            trail.tell(
                Verb.REMOVE, trail.vcenter(locked), old=trail.values_of(locked, "name", "host")
            )
            locked.delete()
    except (ProtectedError, IntegrityError) as problem:
        # Foreign keys are checked at commit: another transaction was faster.
        raise VCenterInUse(
            f"A VM of {vcenter.name} was taken under management, or a discovery started, at the"
            " same moment. Reload and try again."
        ) from problem


def _require_unused(vcenter: VCenter) -> None:
    counts = selectors.dependents_of(vcenter)
    records = counts.managed + counts.unmanaged
    if records:
        raise VCenterInUse(
            f"{vcenter.name} cannot be removed, because vmrep keeps the history of"
            f" {plural(records, 'VM')} from it, {counts.managed} of them under management.",
            **counts._asdict(),
        )
    if counts.discoveries:
        raise VCenterInUse(
            f"A discovery of {vcenter.name} is running. Wait until it ends, then remove it.",
            **counts._asdict(),
        )


def _check(vcenter: VCenter) -> None:
    """Raises ValidationError, also for an NBD command that this machine does not have."""
    vcenter.full_clean()
    if vcenter.nbd_command:
        try:
            nbd_commands.command(vcenter.nbd_command)
        except NbdCommandRefused as problem:
            raise ValidationError({"nbd_command": str(problem)}) from problem


def _connect(vcenter: VCenter, confirmed_uuid: str | None = None, *, by_hand: bool = False) -> None:
    """Test the connection, and remember which server answered: the known one, or the one that
    somebody confirmed. `by_hand`: somebody has just entered the password for whoever answers."""
    target = endpoint(vcenter)
    if confirmed_uuid:
        target = replace(target, instance_uuid=confirmed_uuid, host_uuid=confirmed_uuid)
    try:
        try:
            seen = test_connection(target, _transports(vcenter))
        except OtherEstate as problem:
            if problem.presented or not by_hand:
                raise
            # A lone host where a vCenter was: only after a login does it say who it is.
            target = replace(target, instance_uuid=None, host_uuid=None)
            seen = test_connection(target, _transports(vcenter))
        estates.require_host(vcenter, seen.about, seen.host_uuid, confirmed_uuid)
    except OtherEstate as problem:
        if vcenter.pk is not None and problem.presented:
            logins.found_another(vcenter, problem.presented)
        raise
    vcenter.privileges = seen.privileges
    if seen.host_uuid is not None:
        estates.require_new(vcenter, "ESXi host", host_uuid=seen.host_uuid)
        vcenter.host_uuid = seen.host_uuid
    elif seen.about.instance_uuid:
        vcenter.host_uuid = ""  # a vCenter, whatever was there before
    estates.remember_estate(vcenter, seen.about)
