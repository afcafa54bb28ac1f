"""An ESXi host without a vCenter, by real pyVmomi: as the host's own API shows itself."""

from __future__ import annotations

import pytest
from pyVmomi import vim

from tests.lab.client import Client
from tests.labs import LabCache
from vmrep.lab.errors import ScenarioError
from vmrep.lab.estate import scenario


@pytest.fixture
def host(lab_cache: LabCache, tmp_path):
    with lab_cache.running("host", tmp_path / "host") as running:
        connected = Client(running)
        yield connected
        connected.close()


def test_it_says_that_it_is_a_host_and_has_no_instance_uuid(host: Client) -> None:
    about = host.content.about
    assert (about.apiType, about.productLineId) == ("HostAgent", "embeddedEsx")
    assert about.name == "VMware ESXi"
    assert about.instanceUuid is None


def test_its_first_objects_have_the_references_that_every_host_has(host: Client) -> None:
    content = host.content
    assert content.rootFolder._moId == "ha-folder-root"
    assert content.sessionManager._moId == "ha-sessionmgr"
    assert content.propertyCollector._moId == "ha-property-collector"
    (datacenter,) = content.rootFolder.childEntity
    assert (datacenter._moId, datacenter.name) == ("ha-datacenter", "ha-datacenter")
    assert datacenter.vmFolder._moId == "ha-folder-vm"
    (compute,) = datacenter.hostFolder.childEntity
    assert compute._moId == "ha-compute-res"
    assert [one._moId for one in compute.host] == ["ha-host"]
    assert [one._moId for one in datacenter.network] == ["HaNetwork-VM Network"]
    assert all(vm._moId.isdecimal() for vm in datacenter.vmFolder.childEntity)


def test_the_hardware_has_a_uuid(host: Client) -> None:
    found = host.content.rootFolder.childEntity[0].hostFolder.childEntity[0].host[0]
    assert isinstance(found, vim.HostSystem)
    assert len(found.hardware.systemInfo.uuid) == 36


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[estate]\nproduct = "esx"', "'esx' is not one of vcenter, esxi"),
        ('[estate]\nproduct = "esxi"\n[[datacenters]]\npath = "DC"', "has one datacenter"),
        (
            '[estate]\nproduct = "esxi"\n[[datacenters]]\npath = "ha-datacenter"\n'
            '[[vms]]\nname = "a"\nfolder = "F"',
            "has no folders",
        ),
    ],
)
def test_what_no_host_has_is_refused(tmp_path, text: str, words: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=words):
        scenario.load(str(path))
