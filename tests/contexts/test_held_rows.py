"""A discovery writes all that it can: a row that another transaction holds costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from django.db import connection, transaction
from django.db.models import Model

from contexts.clock import database_now
from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.services import discovered, management, vcenters
from contexts.vsphere import inventory
from contexts.vsphere.records import InventoryPage, VmRecord
from tests import factories
from tests.at_once import locking, on_its_own, on_postgresql, stuck

pytestmark = [pytest.mark.django_db(transaction=True), on_postgresql]


@pytest.fixture
def read(estate, monkeypatch) -> Callable[[Iterable[VmRecord]], None]:
    """What the next discoveries read of the vCenter, on one page."""

    def set_records(records: Iterable[VmRecord]) -> None:
        page = InventoryPage(tuple(records), None)
        monkeypatch.setattr(inventory, "read_vms", lambda session, **how: iter([page]))

    return set_records


HELD_ROWS: dict[str, Callable[[], Model]] = {
    "changed": lambda: DiscoveredVM.objects.get(vm_name="held"),
    "unchanged": lambda: DiscoveredVM.objects.get(vm_name="same"),
    "not seen": lambda: DiscoveredVM.objects.get(vm_name="away"),
    "disk": lambda: VMContext.objects.get(vm_name="held").disks.get(),
    "adapter": lambda: VMContext.objects.get(vm_name="held").network_adapters.get(),
    "context": lambda: VMContext.objects.get(vm_name="held"),
}


@pytest.mark.parametrize("held", HELD_ROWS)
def test_a_discovery_writes_all_but_the_row_that_is_held_and_says_so(held, estate, read):
    records = {name: factories.vm_record(name) for name in ("held", "same", "away", "other")}
    read(records.values())
    assert estate.discover().error_message == ""
    management.take(list(DiscoveredVM.objects.all()), repository=None, actor="ops")
    grown = {
        name: replace(
            records[name],
            specs={**records[name].specs, "cpu_count": 32},
            disks=tuple(replace(d, capacity_bytes=9 << 30) for d in records[name].disks),
            networks=tuple(
                replace(n, mac_address="00:50:56:00:00:09") for n in records[name].networks
            ),
        )
        for name in ("held", "other")
    }
    new = factories.vm_record("new")
    read([grown["held"], records["same"], grown["other"], new])
    row = HELD_ROWS[held]()
    before = DiscoveredVM.objects.get(vm_name="held").cpu_count
    with stuck(locking(type(row), row.pk)):
        told = on_its_own(estate.discover)
    assert told.status == "completed"
    name = {"unchanged": "same", "not seen": "away"}.get(held, "held")
    assert "another transaction" in told.error_message
    assert name in told.error_message
    assert "other" not in told.error_message.split(":")[-1]
    found = {vm.vm_name: vm for vm in DiscoveredVM.objects.all()}
    gone = {name for name, vm in found.items() if vm.gone_at}
    assert gone == (set() if held == "not seen" else {"away"})
    assert found["other"].cpu_count == 32
    assert found["new"].gone_at is None
    assert found["held"].cpu_count == (before if held == "changed" else 32)
    assert VMContext.objects.get(vm_name="other").cpu_count == 32
    again = estate.discover()
    assert (again.status, again.error_message) == ("completed", "")
    assert DiscoveredVM.objects.get(vm_name="away").gone_at
    assert VMContext.objects.get(vm_name="held").cpu_count == 32


def test_a_reference_that_a_held_row_has_is_given_to_no_other_vm(estate, read):
    first, other = factories.vm_record("first"), factories.vm_record("other")
    read([first, other])
    estate.discover()
    second = factories.vm_record("second")
    second = replace(second, specs={**second.specs, "moref": first.moref})
    read([second, other])
    row = DiscoveredVM.objects.get(vm_name="first")
    with stuck(locking(DiscoveredVM, row.pk)):
        told = on_its_own(estate.discover)
    assert told.status == "completed"
    assert "second" in told.error_message
    assert not DiscoveredVM.objects.filter(vm_name="second").exists()
    assert estate.discover().error_message == ""
    assert DiscoveredVM.objects.get(vm_name="second").gone_at is None
    row.refresh_from_db()
    assert row.gone_at


def test_a_vm_that_another_transaction_is_adding_is_left_to_it(estate, read):
    adding, other = factories.vm_record("adding"), factories.vm_record("other")
    read([adding, other])

    def add() -> None:
        discovered.write_rows(estate.vcenter, [adding], database_now())

    with stuck(add):
        told = on_its_own(estate.discover)
    assert told.status == "completed"
    assert "adding" in told.error_message
    assert set(DiscoveredVM.objects.values_list("vm_name", "gone_at")) == {
        ("adding", None),
        ("other", None),
    }


def test_a_discovery_whose_own_row_is_held_stores_all_that_it_reads(estate, monkeypatch):
    def pages(*_: object, **__: object) -> Iterator[InventoryPage]:
        own = Discovery.objects.get()
        with stuck(locking(Discovery, own.pk)):
            yield InventoryPage((factories.vm_record("one"),), 2)
            yield InventoryPage((factories.vm_record("two"),), 2)

    monkeypatch.setattr(inventory, "read_vms", pages)
    run = on_its_own(estate.discover)
    assert (run.status, run.error_message) == ("completed", "")
    assert set(DiscoveredVM.objects.values_list("vm_name", flat=True)) == {"one", "two"}


def test_a_rebuilt_vcenter_waits_for_its_contexts_before_it_locks_its_own_row(monkeypatch):
    """The order of all locks: whoever holds a context, and needs the vCenter's row, gets it."""
    context = factories.context("one")
    VCenter.objects.update(instance_uuid="old")

    def connect(vcenter: VCenter, *_: object, **__: object) -> None:
        vcenter.instance_uuid = "new"

    monkeypatch.setattr(vcenters, "_connect", connect)
    update = partial(
        vcenters.update, VCenter.objects.get(), confirm_instance_uuid="new", actor="ann"
    )
    with ThreadPoolExecutor(1) as pool:
        with stuck(locking(VMContext, context.pk)):
            done = pool.submit(on_its_own, update)
            while not waiting_for_locks():
                assert not done.done()
            with transaction.atomic():
                VCenter.objects.select_for_update(nowait=True).get()
        done.result(30)
    vcenter = VCenter.objects.get()
    assert (vcenter.instance_uuid, vcenter.former_instance_uuid) == ("new", "old")
    context.refresh_from_db()
    assert context.identity_asked_at is not None


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
