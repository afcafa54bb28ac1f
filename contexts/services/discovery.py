"""Discovery: reading all VMs of a vCenter, in bulk. It changes no VM."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from contexts import messages
from contexts.errors import ContextError, UnknownVCenter, VCenterBusy
from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.models.specs import SPEC_NAMES
from contexts.services import records, refresh, slots, statuses, vcenters
from contexts.services.transactions import lock_free, one_transaction
from contexts.states import DiscoveryStatus
from contexts.text import printable
from contexts.vsphere import inventory
from contexts.vsphere.budget import Budget
from contexts.vsphere.errors import VSphereError
from contexts.vsphere.records import InventoryPage, VmRecord
from contexts.vsphere.session import Session

log = logging.getLogger(__name__)

SILENT_FOR = timedelta(minutes=5)  # longer than a page of a vCenter is waited for, twice
# For all of a vCenter. 20,000 VMs have some 600 MB and take minutes; what takes longer than this
# means harm, or a line on which nothing could be replicated either.
READING_SECONDS = 900.0
READING_BYTES = 2 << 30


def request(vcenter: VCenter, *, actor: str) -> Discovery:
    """Ask for a discovery; while one is active that one is the answer.

    Raises UnknownVCenter when the vCenter was removed in the same moment.
    """
    try:
        with transaction.atomic():
            discovery = Discovery.objects.create(vcenter=vcenter, requested_by=actor)
            transaction.on_commit(lambda: messages.hint_discovery(discovery.pk))
    except IntegrityError:
        active = Discovery.objects.filter(vcenter=vcenter, status__in=DiscoveryStatus.active())
        if (known := active.order_by("-id").first()) is None:
            raise UnknownVCenter(f"{vcenter.name} was removed in the meantime.") from None
        return known
    return discovery


def run(discovery_id: int) -> None:
    """Do what `request` asked for. A second worker with the same message does nothing, and neither
    does one that talks to this vCenter already: the tick asks again."""
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
        _end(discovery, DiscoveryStatus.FAILED, f"An unexpected error: {problem!r}")
        raise
    else:
        _end(discovery, DiscoveryStatus.COMPLETED, "")


def take_up_forgotten() -> None:
    """Repeat hints that were lost; fail runs whose worker died. Called by the tick."""
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
        error_message="The worker that read this vCenter stopped. Discover again.",
    )


def _end(discovery: Discovery, status: DiscoveryStatus, error_message: str) -> None:
    Discovery.objects.filter(pk=discovery.pk, status=DiscoveryStatus.RUNNING).update(
        status=status, error_message=error_message, completed_at=Now(), updated_at=Now()
    )


def _read(discovery: Discovery) -> None:
    vcenter = discovery.vcenter
    reading = Budget(READING_SECONDS, READING_BYTES, f"end of the reading of {vcenter.name}")
    with Session(vcenters.endpoint(vcenter), reading=reading) as session:
        pages = inventory.read_vms(session, on_page=lambda: _go_on(discovery))
        for count, total in store(vcenter, pages):
            _go_on(discovery, vms_seen=count, vms_total=total)


def _go_on(discovery: Discovery, **progress: int | None) -> None:
    """A sign of life. Raises ContextError when the run counts as ended: another may read by now."""
    running = Discovery.objects.filter(pk=discovery.pk, status=DiscoveryStatus.RUNNING)
    if not running.update(updated_at=Now(), **progress):
        raise ContextError("This discovery was ended while it read.")


def store(vcenter: VCenter, pages: Iterable[InventoryPage]) -> Iterator[tuple[int, int | None]]:
    """Write what was read, page by page; after each: how many VMs so far, of how many.

    What is not among them is gone, which is noted after the last page.
    """
    started_at = timezone.now()
    seen: set[str] = set()
    count = 0
    for page in pages:
        _store_page(vcenter, page.records, seen, started_at)
        count += len(page.records)
        yield count, page.total
    DiscoveredVM.objects.filter(
        vcenter=vcenter, gone_at__isnull=True, seen_at__lt=started_at
    ).update(gone_at=Now())


@transaction.atomic
def _store_page(vcenter: VCenter, page: Sequence[VmRecord], seen: set[str], now: datetime) -> None:
    """Write a page of records: a constant number of queries, whatever the page holds."""
    repeated = _repeated_uuids(page, seen)
    if repeated:
        _forbid(vcenter, repeated)
    usable = [record for record in page if record.instance_uuid not in repeated]
    contexts = {
        context.vmware_vm_id: context
        for context in VMContext.objects.filter(
            vcenter=vcenter,
            vmware_vm_id__in=[record.instance_uuid for record in usable if record.instance_uuid],
            unmanaged_at__isnull=True,
        )
    }
    statuses.hold(*(context.pk for context in contexts.values()))
    write_rows(vcenter, page, repeated, now)
    refresh.refresh(
        [
            (contexts[record.instance_uuid], record)
            for record in usable
            if record.instance_uuid in contexts
        ]
    )


def _repeated_uuids(page: Sequence[VmRecord], seen: set[str]) -> set[str]:
    """Instance UUIDs that this run has met more than once."""
    repeated = set()
    for record in page:
        if record.instance_uuid is not None:
            if record.instance_uuid in seen:
                repeated.add(record.instance_uuid)
            seen.add(record.instance_uuid)
    return repeated


_NO_UUID = (
    "vCenter gives no instance UUID for this VM (it may be inaccessible), so it cannot be told"
    " apart for good. Make it accessible, then discover again."
)
_SAME_UUID = (
    "Another VM of this vCenter has the same instance UUID, so the two cannot be told apart."
    " Give one of them a new UUID, then discover again."
)


def _forbid(vcenter: VCenter, uuids: set[str]) -> None:
    """A VM that was stored by an earlier page turned out to share its UUID."""
    DiscoveredVM.objects.filter(vcenter=vcenter, vmware_vm_id__in=uuids).update(
        vmware_vm_id=None, identity_problem=_SAME_UUID
    )


def write_rows(
    vcenter: VCenter, page: Sequence[VmRecord], repeated: set[str], now: datetime
) -> None:
    """What was seen `now`; `repeated` holds the instance UUIDs that several VMs have."""
    rows = DiscoveredVM.objects.filter(vcenter=vcenter)
    morefs = [record.moref for record in page]
    uuids = [record.instance_uuid for record in page if record.instance_uuid]
    by_uuid = {row.vmware_vm_id: row for row in rows.filter(vmware_vm_id__in=uuids)}
    by_moref = {
        row.moref: row
        for row in rows.filter(moref__in=morefs, vmware_vm_id=None, gone_at__isnull=True)
    }
    new: list[DiscoveredVM] = []
    known: list[DiscoveredVM] = []
    for record in page:
        problem = _identity_problem(record, repeated)
        row = by_moref.get(record.moref) if problem else by_uuid.get(record.instance_uuid)
        (known if row else new).append(row := row or DiscoveredVM(vcenter=vcenter))
        values = records.columns_of(record) | {
            "vmware_vm_id": None if problem else record.instance_uuid,
            "identity_problem": problem,
            "seen_at": now,
            "gone_at": None,
        }
        for name, value in values.items():
            setattr(row, name, value)
    # A moref names one VM at a time: whoever had it before under another UUID is gone by now.
    rows.filter(moref__in=morefs, gone_at__isnull=True).exclude(
        pk__in=[row.pk for row in known]
    ).update(gone_at=Now())
    if known:
        DiscoveredVM.objects.bulk_update(known, _WRITTEN, batch_size=200)
    DiscoveredVM.objects.bulk_create(new, batch_size=200)


_WRITTEN = (
    *SPEC_NAMES,
    *("disks", "networks", "refusals"),
    *("vmware_vm_id", "identity_problem", "seen_at", "gone_at"),
)


def _identity_problem(record: VmRecord, repeated: set[str]) -> str:
    if record.instance_uuid is None:
        return record.problem or _NO_UUID
    return _SAME_UUID if record.instance_uuid in repeated else ""
