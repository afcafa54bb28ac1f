"""Discovery: reading all VMs of a vCenter in bulk. It changes no VM."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.db import DataError, IntegrityError, OperationalError, transaction
from django.db.models.functions import Now

from contexts import log_lines, messages, trail
from contexts.clock import database_now
from contexts.database_errors import is_race, lock_timed_out, own_words, refused_value
from contexts.errors import ContextError, UnknownVCenter, VCenterBusy
from contexts.models import Discovery, VCenter, VMContext
from contexts.services import discovered, refresh, slots, vcenters
from contexts.services.discovered import Differences, Held
from contexts.services.one_by_one import one_by_one
from contexts.services.transactions import lock_free, one_transaction, only_free, wait_briefly
from contexts.states import DiscoveryStatus
from contexts.text import printable, storable
from contexts.trail import Verb
from contexts.vsphere import inventory
from contexts.vsphere.budget import Budget
from contexts.vsphere.errors import ConnectionLost, VSphereError
from contexts.vsphere.records import PARTS, InventoryPage, VmRecord, no_specs
from contexts.vsphere.specs import SPEC_FIELDS_BY_NAME

log = logging.getLogger(__name__)

SILENT_FOR = timedelta(minutes=5)  # longer than a page of a vCenter is waited for, twice
# For a whole vCenter. 20,000 VMs take some 600 MB and a few minutes; a reading beyond these limits
# is either an attack or a network too slow for replication anyway.
READING_SECONDS = 900.0
READING_BYTES = 2 << 30
END_ATTEMPTS = 6  # each waits as long as any statement does for a row that is held
WAITS_PER_PAGE = 5
NAMES_SHOWN = 5


def request(vcenter: VCenter, *, actor: str) -> Discovery:
    """Request a discovery, or return the active one.

    Raises UnknownVCenter when the vCenter was removed at the same moment.
    """
    try:
        with transaction.atomic(), trail.gathered():
            discovery = Discovery.objects.create(vcenter=vcenter, requested_by=actor)
            trail.tell(Verb.DISCOVER, trail.vcenter(vcenter), actor=actor)
            transaction.on_commit(lambda: messages.hint_discovery(discovery.pk))
    except IntegrityError as problem:
        if not is_race(problem):
            raise
        active = Discovery.objects.filter(vcenter=vcenter, status__in=DiscoveryStatus.active())
        if (known := active.order_by("-id").first()) is None:
            raise UnknownVCenter(f"The vCenter {vcenter.name} has been removed.") from None
        return known
    return discovery


def run(discovery_id: int) -> None:
    """Run a requested discovery. A second worker with the same message does nothing, nor does a
    worker that is already talking to this vCenter: the tick sends the message again."""
    wanted = Discovery.objects.select_related("vcenter").filter(pk=discovery_id).first()
    if wanted is None:
        return
    try:
        with log_lines.of_vcenter(wanted.vcenter), slots.conversation(wanted.vcenter):
            _run(discovery_id)
    except VCenterBusy as busy:
        log.info("discovery %s waits: %s", discovery_id, printable(str(busy)))


def _run(discovery_id: int) -> None:
    claimed = Discovery.objects.filter(pk=discovery_id, status=DiscoveryStatus.PENDING).update(
        status=DiscoveryStatus.RUNNING, started_at=Now(), updated_at=Now()
    )
    if not claimed:
        return
    discovery = Discovery.objects.select_related("vcenter").get(pk=discovery_id)
    try:
        held = _read(discovery)
    except (VSphereError, ContextError) as problem:
        failed = f"{discovery.vcenter.name} failed: {problem}"
        log.warning("discovery of %s", printable(failed))
        _end(discovery, DiscoveryStatus.FAILED, str(problem))
    except Exception as problem:
        _end(discovery, DiscoveryStatus.FAILED, f"Unexpected error: {own_words(problem)}")
        raise
    else:
        _end(discovery, DiscoveryStatus.COMPLETED, _left_out(held))


def pick_up_forgotten() -> None:
    """Send lost hints again, and fail runs whose worker died. Called by the tick.

    Raises an ExceptionGroup of what failed when all the rest was done."""
    silent = Discovery.objects.filter(
        status=DiscoveryStatus.RUNNING, updated_at__lt=Now() - SILENT_FOR
    )
    waiting = Discovery.objects.filter(status=DiscoveryStatus.PENDING)
    one_by_one(
        [
            *(
                (f"sending discovery {pk} again", partial(messages.hint_discovery, pk))
                for pk in waiting.values_list("pk", flat=True)
            ),
            *(
                (f"ending discovery {pk}", partial(_end_silent, pk))
                for pk in silent.values_list("pk", flat=True)
            ),
        ]
    )


@one_transaction
def _end_silent(discovery_id: int) -> None:
    running = Discovery.objects.filter(pk=discovery_id, status=DiscoveryStatus.RUNNING)
    silent = lock_free(running.filter(updated_at__lt=Now() - SILENT_FOR))
    running.filter(pk__in=silent).update(
        status=DiscoveryStatus.FAILED,
        completed_at=Now(),
        updated_at=Now(),
        error_message="The worker that was reading this vCenter stopped. Run discovery again.",
    )


def _end(discovery: Discovery, status: DiscoveryStatus, error_message: str) -> None:
    running = Discovery.objects.filter(pk=discovery.pk, status=DiscoveryStatus.RUNNING)
    for attempts_left in reversed(range(END_ATTEMPTS)):
        try:
            running.update(
                status=status,
                error_message=storable(error_message),
                completed_at=Now(),
                updated_at=Now(),
            )
        except OperationalError as problem:
            if not attempts_left or not lock_timed_out(problem):
                raise
            log.warning("discovery %s has ended; its row is held", discovery.pk)
        else:
            return


def _left_out(held: Held) -> str:
    if not held.names:
        return ""
    count = len(held.names)
    names = sorted(held.names)[:NAMES_SHOWN]
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return (
        f"{count} {'VM was' if count == 1 else 'VMs were'} not updated, because another transaction"
        f" held the rows. Run discovery again. Not updated: {', '.join(names)}{more}"
    )


def _read(discovery: Discovery) -> Held:
    vcenter = discovery.vcenter
    reading = Budget(READING_SECONDS, READING_BYTES, f"end of the reading of {vcenter.name}")
    try:
        return _read_once(discovery, reading)
    except ConnectionLost as lost:
        # A vCenter that restarts, or a firewall that forgets a connection. Nothing has been
        # concluded yet from what was not seen.
        log.warning("discovery of %s starts again: %s", printable(vcenter.name), lost)
        return _read_once(discovery, reading)


def _read_once(discovery: Discovery, reading: Budget) -> Held:
    vcenter = discovery.vcenter
    held = Held()
    known = partial(discovered.known_devices, vcenter, turn=int(discovery.pk))
    with vcenters.session(vcenter, reading=reading) as session:
        pages = inventory.read_vms(session, on_page=lambda: _go_on(discovery), known=known)
        for stored in store(vcenter, pages):
            _go_on(discovery, vms_seen=stored.count, vms_total=stored.total)
            held = stored.held
    return held


def _go_on(discovery: Discovery, **progress: int | None) -> None:
    """Report progress, unless another transaction holds the row. Raises ContextError when the run
    was ended: another may have started."""
    running = Discovery.objects.filter(pk=discovery.pk, status=DiscoveryStatus.RUNNING)
    with transaction.atomic():
        noted = only_free(running).update(updated_at=Now(), **progress)
    if not noted and not running.exists():
        raise ContextError("This discovery was ended while it was reading.")


@dataclass(frozen=True)
class Stored:
    """So far: VMs, how many there are in all, and what was left as it is because other transactions
    hold it."""

    count: int
    total: int | None
    held: Held


def store(vcenter: VCenter, pages: Iterable[InventoryPage]) -> Iterator[Stored]:
    """Write what was read, page by page. Yields after each page, and once more at the end, when it
    has marked the VMs that were not read as gone."""
    started_at = database_now()
    seen: set[str] = set()
    stored = Stored(0, None, Held())
    for page in pages:
        stored.held.add(_store_page(vcenter, page.records, seen, started_at))
        stored = replace(stored, count=stored.count + len(page.records), total=page.total)
        yield stored
    stored.held.add(discovered.mark_gone(vcenter, started_at, stored.held))
    yield stored


def _store_page(vcenter: VCenter, page: Sequence[VmRecord], seen: set[str], now: datetime) -> Held:
    """Store a page at once. If the database refuses it, store each VM separately, so that one odd
    VM, or one that another transaction is adding, does not affect the others."""
    repeated = _repeated_uuids(page, seen)
    held = discovered.forbid(vcenter, repeated) if repeated else Held()
    try:
        held.add(_store(vcenter, page, repeated, now))
    except (DataError, IntegrityError, OperationalError) as problem:
        if isinstance(problem, OperationalError) and not lock_timed_out(problem):
            raise
        log.warning("storing a page of %s VM by VM: %s", vcenter.pk, printable(own_words(problem)))
        held.add(_store_one_by_one(vcenter, page, repeated, now))
    return held


def _store_one_by_one(
    vcenter: VCenter, page: Sequence[VmRecord], repeated: set[str], now: datetime
) -> Held:
    """After a few VMs that wait in vain, the rest of the page is left, too: the run must not stand
    still for as long as somebody holds a whole table."""
    held, in_vain = Held(), 0
    for record in page:
        if in_vain < WAITS_PER_PAGE and _store_one(vcenter, record, repeated, now, held):
            continue
        in_vain += 1
        held.add(discovered.held_rows(vcenter, record))
    return held


def _store_one(
    vcenter: VCenter, record: VmRecord, repeated: set[str], now: datetime, held: Held
) -> bool:
    """False when another transaction was faster, or is holding what the VM needs."""
    try:
        held.add(_store(vcenter, [record], repeated, now))
    except (DataError, IntegrityError, OperationalError) as problem:
        if is_race(problem):
            words = printable(own_words(problem))
            log.warning("%s of %s: %s", printable(record.name), vcenter.pk, words)
            return False
        if isinstance(problem, OperationalError):
            raise
        why = refused_value(problem)
        log.warning("%s of %s: %s", printable(record.name), vcenter.pk, printable(str(why)))
        _list_refused(vcenter, record, str(why), now)
    return True


def _list_refused(vcenter: VCenter, record: VmRecord, why: str, now: datetime) -> None:
    """List the VM with the reason: with everything else that was read, or with its name only if
    that was what the database refused. Its context, if it has one, does not change."""
    why = storable(why)
    name = {"vm_name": record.text("vm_name"), "moref": record.moref}
    unsaid = (PARTS | SPEC_FIELDS_BY_NAME.keys()) - name.keys()
    bare = VmRecord(None, {**no_specs(), **name}, problem=why, unsaid=unsaid, oddities=(why,))
    try:
        _list_one(vcenter, replace(record, problem=why, oddities=(*record.oddities, why)), now)
    except (DataError, IntegrityError):
        _list_one(vcenter, bare, now)


@one_transaction
def _list_one(vcenter: VCenter, record: VmRecord, now: datetime) -> None:
    discovered.write_rows(vcenter, [record], now)


def _store(vcenter: VCenter, page: Sequence[VmRecord], repeated: set[str], now: datetime) -> Held:
    """Takes a constant number of queries, whatever the page holds. Compares before it writes: it
    holds the write lock only while it writes, and writes only what differs."""
    found = discovered.compare(vcenter, page, repeated, now)
    stale = refresh.differing(_managed(vcenter, page, repeated))
    held = _write(found, stale, now) if found or stale else Held()
    held.add(discovered.mark_seen(found.seen, now))
    return held


@one_transaction
def _write(found: Differences, stale: Sequence[tuple[VMContext, VmRecord]], now: datetime) -> Held:
    """A context of which another transaction holds a row is left as it is: the next discovery finds
    the same difference. The page does not wait for it."""
    wait_briefly()
    free = refresh.lock_free_contexts([context.pk for context, _ in stale])
    held = found.write(now)
    held.names |= {record.name for context, record in stale if context.pk not in free}
    refresh.refresh([(context, record) for context, record in stale if context.pk in free])
    return held


def _managed(
    vcenter: VCenter, page: Sequence[VmRecord], repeated: set[str]
) -> list[tuple[VMContext, VmRecord]]:
    """The managed contexts of a page's VMs, each with its record."""
    known = {
        record.instance_uuid: record
        for record in page
        if record.instance_uuid is not None and record.instance_uuid not in repeated
    }
    contexts = VMContext.objects.filter(
        vcenter=vcenter,
        vmware_vm_id__in=list(known),
        unmanaged_at__isnull=True,
        identity_asked_at__isnull=True,  # it may be another VM
    )
    return [(context, known[context.vmware_vm_id]) for context in contexts]


def _repeated_uuids(page: Sequence[VmRecord], seen: set[str]) -> set[str]:
    """Instance UUIDs that this run has met more than once."""
    repeated = set()
    for record in page:
        if record.instance_uuid is not None:
            if record.instance_uuid in seen:
                repeated.add(record.instance_uuid)
            seen.add(record.instance_uuid)
    return repeated
