"""Unset is not empty: what a vCenter does not say this time changes nothing that is known.

At a real server, with real chains: what was known is what the next job goes on with.
"""

from __future__ import annotations

import pytest

from contexts.models import DiscoveredVM, VMContext
from contexts.services import discovered
from contexts.vsphere import inventory
from tests.contexts.faces import Faces
from tests.sync.estate import Estate

NOTES = '<val xsi:type="xsd:string">%s</val>'


def known(context: VMContext) -> dict[str, object]:
    """What vmrep knows of the VM, with its devices."""
    context.refresh_from_db()
    return {
        "specs": context.spec_values(),
        "uuid": context.vmware_vm_id,
        "disks": list(context.disks.order_by("pk").values_list("pk", "disk_id", "removed_at")),
        "adapters": list(context.network_adapters.values_list("pk", "ip_addresses", "removed_at")),
    }


@pytest.mark.parametrize(
    "paths",
    [
        ["config"],
        *(
            pytest.param(paths, marks=pytest.mark.slow)
            for paths in (
                ["config.hardware.device"],
                ["config.instanceUuid"],
                ["snapshot", "guest"],
            )
        ),
    ],
)
def test_a_vm_that_is_not_told_once_stays_as_it_is_and_its_chain_goes_on(
    estate: Estate, paths: list[str], small1: VMContext
) -> None:
    estate.discover()
    before = known(small1)
    estate.control.hide("small1", paths)
    assert estate.discover().status == "completed"
    vm = DiscoveredVM.objects.get(vmware_vm_id=small1.vmware_vm_id)
    after = known(small1)
    before["specs"] |= {"change_version": after["specs"]["change_version"]}  # type: ignore
    assert after == before
    assert vm.gone_at is None
    assert DiscoveredVM.objects.count() == 2
    if paths != ["snapshot", "guest"]:
        assert vm.unreadable_since is not None
        assert paths[0] in vm.unreadable_reason or "configuration" in vm.unreadable_reason
        job = estate.run_job(small1)
        assert "small1 cannot be read" in job.error_message
        assert known(small1)["disks"] == before["disks"]
    estate.control.hide("small1", [])
    estate.discover()
    vm.refresh_from_db()
    assert (vm.unreadable_since, vm.unreadable_reason) == (None, "")


def test_a_list_without_any_device_is_none(estate: Estate) -> None:
    """Every VM has some; an empty list is how a vCenter delivers what it does not know."""
    context = estate.take("small1")
    estate.discover()
    before = known(context)["disks"]
    estate.control.configure("small1", notes="another version of the devices")
    estate.control.odd_property(
        "small1", "config.hardware.device", '<val xsi:type="ArrayOfVirtualDevice"></val>'
    )
    assert estate.discover().status == "completed"
    vm = DiscoveredVM.objects.get(vmware_vm_id=context.vmware_vm_id)
    assert "config.hardware.device: vSphere does not deliver it" in vm.unreadable_reason
    job = estate.run_job(context)
    assert (job.status, known(context)["disks"]) == ("pending", before)
    assert "small1 cannot be read" in job.error_message


def test_odd_notes_keep_nobody_from_being_replicated(estate: Estate) -> None:
    estate.control.odd_property("small1", "config.annotation", NOTES % "Owner: \x01me")
    assert estate.discover().status == "completed"
    vm = DiscoveredVM.objects.get(vm_name="small1")
    assert vm.annotation == "Owner: �me"
    assert vm.unreadable_since is not None
    assert "config.annotation: it has characters that XML forbids" in vm.unreadable_reason
    assert DiscoveredVM.objects.get(vm_name="small2").unreadable_since is None
    estate.replicate(estate.take("small1"))


def test_a_discovery_survives_a_connection_that_is_lost_twice(estate: Estate) -> None:
    estate.control.drop_connection("RetrievePropertiesEx", nth=4, times=2)
    assert estate.discover().status == "completed"
    assert DiscoveredVM.objects.count() == 2
    estate.control.drop_connection("RetrievePropertiesEx", nth=1, times=4)
    failed = estate.discover()
    assert failed.status == "failed"
    assert "connection was lost" in failed.error_message


# ------------------------------------------------------------- devices only where they moved


@pytest.fixture
def devices_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the VMs whose devices were read."""
    read: list[str] = []
    record_of = inventory.record_of

    def noted(found: object, places: object, known: object = None) -> object:
        record = record_of(found, places, known)  # type: ignore[arg-type]
        if known is None:
            read.append(record.name)
        return record

    monkeypatch.setattr(inventory, "record_of", noted)
    monkeypatch.setattr(discovered, "READ_AGAIN_AFTER", 10**9)
    return read


def test_devices_are_read_again_only_where_they_may_have_changed(
    estate: Estate, devices_of: list[str]
) -> None:
    estate.discover()
    assert sorted(devices_of) == ["small1", "small2"]
    before = list(DiscoveredVM.objects.order_by("pk").values("disks", "networks"))
    devices_of.clear()
    estate.discover()
    assert devices_of == []
    assert list(DiscoveredVM.objects.order_by("pk").values("disks", "networks")) == before
    # What is always read: here the guest's addresses, which stand in the adapters, too.
    estate.control.set_addresses("small1", ["192.0.2.7"])
    estate.discover()
    vm = DiscoveredVM.objects.get(vm_name="small1")
    assert vm.ip_addresses == ["192.0.2.7"]
    assert vm.networks[0]["ip_addresses"] == ["192.0.2.7"]
    assert devices_of == []
    estate.control.set_disk("small1", 2000, label="Renamed")
    estate.discover()
    assert devices_of == ["small1"]
    assert DiscoveredVM.objects.get(vm_name="small1").disks[0]["label"] == "Renamed"


@pytest.mark.parametrize("version", ["", '<val xsi:type="xsd:string">always the same</val>'])
def test_a_version_that_is_missing_or_lies_is_not_believed(
    estate: Estate, devices_of: list[str], monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    path = "config.changeVersion"
    if version:
        estate.control.odd_property("small1", path, version)
    else:
        estate.control.hide("small1", [path])
    estate.discover()
    devices_of.clear()
    estate.control.set_disk("small1", 2000, label="Renamed")
    estate.discover()
    if not version:
        assert devices_of == ["small1"]
        return
    assert devices_of == []  # nothing gives it away
    # … but a snapshot does, and the VM's turn comes in any case.
    monkeypatch.setattr(discovered, "READ_AGAIN_AFTER", 3)
    for _ in range(3):
        estate.discover()
    assert DiscoveredVM.objects.get(vm_name="small1").disks[0]["label"] == "Renamed"
    monkeypatch.setattr(discovered, "READ_AGAIN_AFTER", 10**9)
    devices_of.clear()
    estate.control.take_snapshot("small1", "mine")
    estate.discover()
    assert devices_of == ["small1"]


def test_a_job_reads_the_devices_afresh_whatever_their_version(estate: Estate) -> None:
    context = estate.take("small1")
    estate.control.odd_property(
        "small1", "config.changeVersion", '<val xsi:type="xsd:string">always the same</val>'
    )
    estate.discover()
    estate.control.set_disk("small1", 2000, label="Renamed")
    estate.replicate(context)
    assert context.disks.get().label == "Renamed"


@pytest.mark.scenario("tests/scenarios/networks.toml")
@pytest.mark.parametrize(
    "how",
    ["failing", *(pytest.param(how, marks=pytest.mark.slow) for how in ("hidden", "refused"))],
)
def test_a_network_or_datastore_that_is_not_told_once_keeps_its_name(
    estate: Estate, how: str
) -> None:
    context = estate.take("web")
    estate.discover()

    def told() -> tuple[object, ...]:
        names = context.network_adapters.order_by("device_key")
        vm = DiscoveredVM.objects.get(vm_name="web")
        return (
            list(names.values_list("network_name", flat=True)),
            [nic["network_name"] for nic in vm.networks],
            [disk["datastore_type"] for disk in vm.disks],
        )

    networks = ["VM Network", "dv-prod", "nsx-dmz"]
    assert told() == (networks, networks, ["NFS"])
    for place in ("dv-prod", "nsx-dmz", "ds1"):
        if how == "hidden":
            estate.control.hide_object(place)
        elif how == "failing":
            estate.control.spoil_reading(place, "SystemError", "not today")
        else:
            path = "summary.type" if place == "ds1" else "name"
            estate.control.refuse_property(place, path, "NoPermission")
    assert estate.discover().status == "completed"
    assert told() == (networks, networks, ["NFS"])
    estate.run_job(context)
    assert told()[0] == networks
    # What is told again, counts; so does another network.
    estate.control.clear_faults()
    estate.control.clear_odd_properties()
    estate.control.set_adapter("web", 4001, network="VM Network")
    estate.discover()
    assert told()[0] == ["VM Network", "VM Network", "nsx-dmz"]


HOST = "host-2"  # its cluster has the same name
NOT_TOLD = ("folder", "datacenter", "host", "datastores", "networks")


@pytest.mark.slow
@pytest.mark.scenario("tests/scenarios/networks.toml")
def test_places_that_are_not_told_are_named_until_they_are_told_again(estate: Estate) -> None:
    """By discoveries and by jobs, whichever reads last; and every face says so."""
    context = estate.take("web")
    faces = Faces(context)

    def untold() -> dict[str, str]:
        places = DiscoveredVM.objects.get(vm_name="web").untold_places
        assert faces.json(f"vm-contexts/{context.pk}/")["context"]["untold_places"] == places
        (row,) = faces.json(f"vcenters/{context.vcenter_id}/discovery/")["results"]
        assert row["untold_places"] == places
        named = ", ".join(each["place"] for each in places).capitalize()
        if len({each["since"] for each in places}) == 1:
            assert faces.panel()["Not told by vSphere"].startswith(f"{named}, since 20")
            page = faces.page("/discovery/", vcenter=str(context.vcenter_id))
            assert f"{named}: not told by vSphere since 20" in page
        return {each["place"]: each["since"] for each in places}

    def where() -> list[object]:
        context.refresh_from_db()
        return [context.vm_path, context.spec_values()["host_name"]]

    def hide(*places: str) -> None:
        estate.control.clear_odd_properties()
        for place in places:
            path = "summary.type" if place == "ds1" else "name"
            estate.control.refuse_property(place, path, "NoPermission")

    assert untold() == {}
    assert "Not told by vSphere" not in faces.panel()
    before = where()

    hide("dv-prod", "ds1", HOST, "Bonn")
    estate.discover()
    first = untold()
    assert tuple(first) == NOT_TOLD
    # The devices, which had not changed, are not read again: they are told of no better for that.
    estate.discover()
    assert untold() == first

    hide("dv-prod", HOST)
    estate.discover()
    assert untold() == {place: first[place] for place in ("host", "networks")}
    hide(HOST, "ds1")
    assert estate.run_job(context).status == "completed"
    after_job = untold()
    assert (tuple(after_job), after_job["host"]) == (("host", "datastores"), first["host"])
    assert after_job["datastores"] > first["datastores"]
    estate.discover()
    assert untold() == after_job
    assert where() == before

    hide()
    estate.run_job(context)
    assert untold() == {}


def test_a_vm_without_a_name_or_devices_is_told_of_where_it_is_as_far_as_it_is(
    estate: Estate, small1: VMContext
) -> None:
    """The path needs a name, too, but the folder was told; devices tell of what is around them."""
    for hidden, places in (
        (["name"], []),
        (["config.hardware.device"], ["datastores", "networks"]),
    ):
        estate.control.hide("small1", hidden)
        estate.discover()
        vm = DiscoveredVM.objects.get(vmware_vm_id=small1.vmware_vm_id)
        assert [each["place"] for each in vm.untold_places] == places
        assert vm.unreadable_since is not None
