"""Discovery: reading all VMs of a vCenter in bulk. It changes no VM."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import DataError, IntegrityError, transaction
from django.db.models.functions import Now

from contexts import messages
from contexts.clock import database_now
from contexts.database_errors import is_race, refused_value
from contexts.errors import ContextError, UnknownVCenter, VCenterBusy
from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.services import discovered, refresh, slots, vcenters
from contexts.services.discovered import Differences
from contexts.services.transactions import lock_free, one_transaction
from contexts.states import DiscoveryStatus
from contexts.text import printable, storable
from contexts.vsphere import inventory
from contexts.vsphere.budget import Budget
from contexts.vsphere.errors import VSphereError
from contexts.vsphere.records import InventoryPage, VmRecord, no_specs
from contexts.vsphere.session import Session

log = logging.getLogger(__name__)

SILENT_FOR = timedelta(minutes=5)  # longer than a page of a vCenter is waited for, twice
# For a whole vCenter. 20,000 VMs take some 600 MB and a few minutes; a reading beyond these limits
# is either an attack or a network too slow for replication anyway.
READING_SECONDS = 900.0
READING_BYTES = 2 << 30


def request(vcenter: VCenter, *, actor: str) -> Discovery:
    """Request a discovery, or return the active one.

    Raises UnknownVCenter when the vCenter was removed at the same moment.
    """
    try:
        with transaction.atomic():
            discovery = Discovery.objects.create(vcenter=vcenter, requested_by=actor)
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
        with slots.conversation(wanted.vcenter):
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
        _read(discovery)
    except (VSphereError, ContextError) as problem:
        failed = f"{discovery.vcenter.name} failed: {problem}"
        log.warning("discovery of %s", printable(failed))
        _end(discovery, DiscoveryStatus.FAILED, str(problem))
    except Exception as problem:
        _end(discovery, DiscoveryStatus.FAILED, f"Unexpected error: {problem!r}")
        raise
    else:
        _end(discovery, DiscoveryStatus.COMPLETED, "")


def take_up_forgotten() -> None:
    """Send lost hints again, and fail runs whose worker died. Called by the tick."""
    _end_silent()
    for discovery_id in Discovery.objects.filter(status=DiscoveryStatus.PENDING).values_list(
        "pk", flat=True
    ):
        messages.hint_discovery(discovery_id)


@one_transaction
def _end_silent() -> None:
    running = Discovery.objects.filter(status=DiscoveryStatus.RUNNING)
    silent = lock_free(running.filter(updated_at__lt=Now() - SILENT_FOR))
    running.filter(pk__in=silent).update(
        status=DiscoveryStatus.FAILED,
        completed_at=Now(),
        updated_at=Now(),
        error_message="The worker that was reading this vCenter stopped. Run discovery again.",
    )


def _end(discovery: Discovery, status: DiscoveryStatus, error_message: str) -> None:
    Discovery.objects.filter(pk=discovery.pk, status=DiscoveryStatus.RUNNING).update(
        status=status,
        error_message=storable(error_message),
        completed_at=Now(),
        updated_at=Now(),
    )


def _read(discovery: Discovery) -> None:
    vcenter = discovery.vcenter
    reading = Budget(READING_SECONDS, READING_BYTES, f"end of the reading of {vcenter.name}")
    with Session(vcenters.endpoint(vcenter), reading=reading) as session:
        vcenters.learn_host(vcenter, session)
        pages = inventory.read_vms(session, on_page=lambda: _go_on(discovery))
        for count, total in store(vcenter, pages):
            _go_on(discovery, vms_seen=count, vms_total=total)


def _go_on(discovery: Discovery, **progress: int | None) -> None:
    """Report progress. Raises ContextError when the run was ended: another may have started."""
    running = Discovery.objects.filter(pk=discovery.pk, status=DiscoveryStatus.RUNNING)
    if not running.update(updated_at=Now(), **progress):
        raise ContextError("This discovery was ended while it was reading.")


def store(vcenter: VCenter, pages: Iterable[InventoryPage]) -> Iterator[tuple[int, int | None]]:
    """Write what was read, page by page. Yields, after each page, the VMs so far and the total.

    VMs that were not read are marked as gone after the last page.
    """
    started_at = database_now()
    seen: set[str] = set()
    count = 0
    for page in pages:
        _store_page(vcenter, page.records, seen, started_at)
        count += len(page.records)
        yield count, page.total
    DiscoveredVM.objects.filter(
        vcenter=vcenter, gone_at__isnull=True, seen_at__lt=started_at
    ).update(gone_at=Now())


def _store_page(vcenter: VCenter, page: Sequence[VmRecord], seen: set[str], now: datetime) -> None:
    """Store a page at once. If the database refuses it, store each VM separately, so that one odd
    VM does not affect the others."""
    repeated = _repeated_uuids(page, seen)
    if repeated:
        discovered.forbid(vcenter, repeated)
    try:
        _store(vcenter, page, repeated, now)
    except (DataError, IntegrityError) as problem:
        log.warning("storing a page of %s VM by VM: %s", vcenter.pk, printable(str(problem)))
        for record in page:
            _store_one(vcenter, record, repeated, now)


def _store_one(vcenter: VCenter, record: VmRecord, repeated: set[str], now: datetime) -> None:
    try:
        _store(vcenter, [record], repeated, now)
    except (DataError, IntegrityError) as problem:
        if is_race(problem):
            raise
        why = refused_value(problem)
        log.warning("%s of %s: %s", printable(record.name), vcenter.pk, printable(str(why)))
        _list_refused(vcenter, record, str(why), now)


def _list_refused(vcenter: VCenter, record: VmRecord, why: str, now: datetime) -> None:
    """List the VM with the reason: with everything else that was read, or with its name only if
    that was what the database refused. Its context, if it has one, does not change."""
    why = storable(why)
    name = {"vm_name": record.text("vm_name"), "moref": record.moref}
    bare = VmRecord(None, {**no_specs(), **name}, problem=why)
    try:
        _list_one(vcenter, replace(record, problem=why), now)
    except (DataError, IntegrityError):
        _list_one(vcenter, bare, now)


@one_transaction
def _list_one(vcenter: VCenter, record: VmRecord, now: datetime) -> None:
    discovered.write_rows(vcenter, [record], now)


def _store(vcenter: VCenter, page: Sequence[VmRecord], repeated: set[str], now: datetime) -> None:
    """Takes a constant number of queries, whatever the page holds. Compares before it writes: it
    holds the write lock only while it writes, and writes only what differs."""
    found = discovered.compare(vcenter, page, repeated)
    stale = refresh.differing(_managed(vcenter, page, repeated))
    if found or stale:
        _write(found, stale, now)
    discovered.mark_seen(found.seen, now)


@one_transaction
def _write(found: Differences, stale: Sequence[tuple[VMContext, VmRecord]], now: datetime) -> None:
    """A context whose row another transaction holds is left as it is: the next discovery finds the
    same difference. The page does not wait for it."""
    wanted = VMContext.objects.filter(pk__in=[context.pk for context, _ in stale])
    free = set(lock_free(wanted))
    found.write(now)
    refresh.refresh([(context, record) for context, record in stale if context.pk in free])


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
        vcenter=vcenter, vmware_vm_id__in=list(known), unmanaged_at__isnull=True
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
