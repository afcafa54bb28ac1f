"""Discovery against the lab: what is stored, and what it does to contexts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contexts.errors import NotManageable
from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.models.specs import SPEC_NAMES
from contexts.services import discovered, discovery, management, refresh
from contexts.states import DiscoveryStatus
from contexts.vsphere import inventory
from contexts.vsphere.records import VmRecord
from tests import factories


def _vm(name: str) -> DiscoveredVM:
    return DiscoveredVM.objects.get(vm_name=name)


def test_every_vm_is_stored_with_its_specs(estate):
    run = estate.discover()
    assert (run.status, run.vms_seen, run.vms_total) == ("completed", 2, 2)
    vm = _vm("small1")
    assert (vm.cpu_count, vm.memory_mb, vm.power_state) == (2, 2048, "poweredOn")
    assert vm.datacenter
    assert vm.vm_path.endswith("/Tests/small1")
    assert vm.ip_addresses == ["10.0.0.11", "fe80::250:56ff:fe00:11"]
    assert [disk["capacity_bytes"] for disk in vm.disks] == [64 << 20]
    assert vm.refusals == []


def test_what_vsphere_does_not_say_is_unknown(estate):
    estate.discover()
    vm = _vm("small2")
    assert vm.guest_hostname is None
    assert vm.ip_addresses in (None, [])


def test_a_vm_with_neither_uuid_is_listed_with_the_reason_and_harms_no_other(estate):
    neither = ["config.instanceUuid", "config.uuid"]
    estate.control.hide("small1", neither)
    for _ in range(2):
        assert estate.discover().status == "completed"
        odd, other = _vm("small1"), _vm("small2")
        assert (odd.vmware_vm_id, odd.bios_uuid, odd.gone_at) == (None, None, None)
        assert odd.identity_problem == "vSphere reports no instance UUID for this VM."
        assert odd.refusals[0]["reason"] == odd.identity_problem
        assert (other.identity_problem, other.refusals) == ("", [])
    with pytest.raises(NotManageable, match="no instance UUID"):
        management.take([odd], repository=None, actor="ops")
    assert estate.take("small2").vmware_vm_id == other.vmware_vm_id
    # Another VM that tells neither is not taken for it, whatever else they have in common.
    estate.control.hide("small2", neither)
    estate.discover()
    assert _vm("small2").vmware_vm_id == other.vmware_vm_id, "it is known by its reference"
    estate.control.hide("small1", [])
    estate.discover()
    assert _vm("small1").identity_problem == ""
    assert DiscoveredVM.objects.count() == 2


def test_taking_a_vm_makes_a_context_with_all_specs_disks_and_adapters(estate):
    context = estate.take("small2")
    vm = _vm("small2")
    assert {name: getattr(context, name) for name in SPEC_NAMES} == vm.spec_values()
    assert list(context.disks.values_list("disk_id", flat=True)) == ["disk-2000", "disk-2001"]
    assert context.network_adapters.get().network_name == "VM Network"


def test_discovering_again_refreshes_specs_and_keeps_the_context(estate):
    context = estate.take("small1")
    estate.control.rename("small1", "renamed")
    estate.control.set_addresses("renamed", ["10.9.9.9"])
    estate.discover()
    again = VMContext.objects.get()
    assert (again.pk, again.vm_name, again.ip_addresses) == (context.pk, "renamed", ["10.9.9.9"])
    assert DiscoveredVM.objects.count() == 2


def test_a_vm_that_disappeared_is_marked_and_comes_back(estate):
    estate.discover()
    DiscoveredVM.objects.filter(vm_name="small1").update(moref="vm-999")
    estate.discover()
    assert _vm("small1").gone_at is None
    estate.control.destroy("small2")
    estate.discover()
    assert _vm("small2").gone_at is not None
    assert _vm("small1").gone_at is None


def test_while_one_is_active_asking_again_answers_the_same(estate):
    first = discovery.request(estate.vcenter, actor="ops")
    assert discovery.request(estate.vcenter, actor="ann") == first
    discovery.run(first.pk)
    assert discovery.request(estate.vcenter, actor="ann") != first


def test_a_second_worker_with_the_same_message_does_nothing(estate):
    run = estate.discover()
    discovery.run(run.pk)
    assert Discovery.objects.get() == run


def test_a_vcenter_that_is_away_fails_the_discovery_with_words(estate):
    estate.lab.stop()
    run = estate.discover()
    assert run.status == DiscoveryStatus.FAILED
    assert str(estate.vcenter.port) in run.error_message
    estate.lab.start()


def test_the_process_log_shows_what_could_move_a_terminals_cursor(estate, caplog):
    VCenter.objects.update(name="Graz\x1b[2J\nall is well")
    estate.lab.stop()
    estate.vcenter.refresh_from_db()
    assert estate.discover().status == DiscoveryStatus.FAILED
    (line,) = [each for each in caplog.messages if each.startswith("discovery of ")]
    assert r"Graz\x1b[2J\nall is well" in line
    assert line.isprintable()


def test_two_vms_with_one_instance_uuid_cannot_be_taken(estate, monkeypatch):
    records = [
        factories.vm_record("one", instance_uuid="same"),
        factories.vm_record("two", instance_uuid="same"),
        factories.vm_record("three", instance_uuid=None),
        factories.vm_record("four"),
    ]
    pages = [inventory.InventoryPage((record,), 4) for record in records]
    monkeypatch.setattr(inventory, "read_vms", lambda session, **how: iter(pages))
    for _ in range(2):
        estate.discover()
        problems = dict(DiscoveredVM.objects.values_list("vm_name", "identity_problem"))
        assert "same instance UUID" in problems["one"]
        assert "same instance UUID" in problems["two"]
        assert "no instance UUID" in problems["three"]
        assert problems["four"] == ""
    assert DiscoveredVM.objects.filter(gone_at=None).count() == 4


def test_a_page_costs_queries_for_its_batches_not_for_its_vms(estate, monkeypatch):
    def stored(count: int) -> int:
        records = tuple(factories.vm_record(f"vm{number}") for number in range(count))
        page = inventory.InventoryPage(records, count)
        monkeypatch.setattr(inventory, "read_vms", lambda session, **how: iter([page]))
        with CaptureQueriesContext(connection) as queries:
            estate.discover()
        return len(queries)

    # SQLite takes 999 values in a statement: a batch of rows is some 28 VMs there.
    assert stored(150) - stored(2) <= 150 // 25


def _stored(at: VCenter, *records: VmRecord) -> list[str]:
    """Store one page of these; the statements that wrote something, savepoints left out."""
    with CaptureQueriesContext(connection) as queries:
        list(discovery.store(at, [inventory.InventoryPage(records, len(records))]))
    return [it["sql"] for it in queries if it["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]


def _managed(count: int) -> tuple[VCenter, list[VmRecord]]:
    """A vCenter with so many VMs, all stored and all under management."""
    at = factories.vcenter()
    records = [factories.vm_record(f"vm{number}") for number in range(count)]
    _stored(at, *records)
    management.take(list(DiscoveredVM.objects.all()), repository=None, actor="ops")
    return at, records


def test_of_a_vcenter_in_which_nothing_changed_only_the_moment_is_written(db):
    at, records = _managed(30)
    before = {vm.pk: vm.seen_at for vm in DiscoveredVM.objects.all()}
    seen, gone = _stored(at, *records)
    assert seen.startswith('UPDATE "discovered_vms" SET "seen_at" = ')
    assert '"gone_at" = ' in gone.partition("WHERE")[0]
    for vm in DiscoveredVM.objects.all():
        assert vm.gone_at is None
        assert vm.seen_at > before[vm.pk]


def test_only_what_changed_is_written(db):
    at, records = _managed(5)
    records[2] = replace(records[2], specs={**records[2].specs, "power_state": "poweredOff"})
    disk = replace(records[3].disks[0], capacity_bytes=1 << 30)
    records[3] = replace(records[3], disks=(disk,))
    context_ids = set(VMContext.objects.values_list("pk", flat=True))
    written = [sql for sql in _stored(at, *records) if '"seen_at"' not in sql.partition("WHERE")[0]]
    changes = written[:-1]  # the last one is of those that are gone
    assert sorted(sql.partition(" SET ")[0] for sql in changes) == [
        'UPDATE "discovered_vms"',  # the disks of one
        'UPDATE "discovered_vms"',  # the power of another
        'UPDATE "vm_disks"',
        'UPDATE "vm_replication_contexts"',
    ]
    for sql in changes:
        columns = sql.partition("WHERE")[0]
        assert "cpu_count" not in columns
        assert "networks" not in columns
    assert VMContext.objects.get(vm_name="vm2").power_state == "poweredOff"
    assert VMContext.objects.get(vm_name="vm3").disks.get().capacity_bytes == 1 << 30
    assert set(VMContext.objects.values_list("pk", flat=True)) == context_ids


@pytest.mark.django_db(transaction=True)
def test_while_a_page_is_compared_others_can_write(monkeypatch):
    """SQLite has one lock for all who write; a page holds it only while it writes itself."""
    at, records = _managed(3)
    compared = []

    def unlocked(compare: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*arguments: Any) -> Any:
            assert not connection.in_atomic_block
            compared.append(compare)
            return compare(*arguments)

        return checked

    monkeypatch.setattr(discovered, "compare", unlocked(discovered.compare))
    monkeypatch.setattr(refresh, "differing", unlocked(refresh.differing))
    records[0] = replace(records[0], specs={**records[0].specs, "cpu_count": 8})
    _stored(at, *records)
    assert len(compared) == 2
    assert VMContext.objects.get(vm_name="vm0").cpu_count == 8
