"""Whatever a server answers, to whatever it is asked: an error with words, or the rest is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from contexts.vsphere import cbt, datastore, hosts, inventory, privileges, snapshots, tasks
from contexts.vsphere.errors import VSphereError
from contexts.vsphere.session import Session
from tests.hostile import serving
from tests.vsphere.test_hostile_servers import vcenter_with

FLOWS: dict[str, Callable[[Session], object]] = {
    "all VMs": lambda session: list(inventory.read_vms(session)),
    "one VM": lambda session: inventory.read_vm(session, "u", "vm-1"),
    "snapshots of all": lambda session: list(snapshots.of_all_vms(session)),
    "a VM's snapshots": lambda session: snapshots.tree(session, "vm-1"),
    "a snapshot's disks": lambda session: snapshots.disks(session, "snapshot-1"),
    "making one": lambda session: snapshots.create(session, "vm-1", "n", "d", False),
    "removing one": lambda session: snapshots.remove(session, "snapshot-1"),
    "tracking": lambda session: cbt.enable(session, "vm-1"),
    "changes": lambda session: list(
        cbt.changed_areas(session, "vm-1", "snapshot-1", 2000, 1 << 20, "*")
    ),
    "tasks": lambda session: snapshots.running_snapshot_task(session, "vm-1"),
    "waiting": lambda session: tasks.wait_for_task(session, "t-1", "W", patience_seconds=0),
    "rights": lambda session: privileges.read_privileges(session, {"datastore"}),
    "the place": lambda session: datastore.datacenter_path(session, "vm-1"),
    "the host": hosts.lone_host_uuid,
    "renewing": lambda session: session.renew(),
}
OBJECT = b'<obj type="%s">vm-1</obj>'
VM = OBJECT % b"VirtualMachine"
PROPERTY = b'<propSet><name>%s</name><val xsi:type="%s">%s</val></propSet>'


def page(*objects: bytes) -> bytes:
    return b"".join(b"<objects>%s</objects>" % one for one in objects)


ODD: dict[str, bytes] = {
    "nothing": b"",
    "empty": b"<returnval/>",
    "a string": b'<returnval xsi:type="xsd:string">x</returnval>',
    "an object without a reference": b"<returnval>%s</returnval>" % page(b""),
    "a property without a name": b"<returnval>%s</returnval>" % page(VM + b"<propSet/>"),
    "a gap without a fault": b"<returnval>%s</returnval>"
    % page(VM + b"<missingSet><path>snapshot</path></missingSet>"),
    "no kind of object": b"<returnval>%s</returnval>" % page(OBJECT % b"NoSuchThing"),
    "another kind of object": b"<returnval>%s</returnval>"
    % page(OBJECT % b"Datastore" + PROPERTY % (b"name", b"xsd:int", b"7")),
    "snapshots without anything": b"<returnval>%s</returnval>"
    % page(
        VM
        + PROPERTY % (b"snapshot", b"VirtualMachineSnapshotInfo", b"<rootSnapshotList/>")
        + PROPERTY % (b"config.hardware.device", b"ArrayOfVirtualDevice", b"<VirtualDevice/>")
    ),
    "properties of other kinds": b"<returnval>%s</returnval>"
    % page(
        VM
        + b"".join(
            PROPERTY % (name, b"xsd:int", b"7")
            for name in (
                *(b"name", b"snapshot", b"config.hardware.device", b"runtime.host", b"parent"),
                *(b"guest.net", b"info", b"info.state", b"info.startTime", b"vm"),
                *(b"hardware.systemInfo.uuid", b"config.instanceUuid"),
            )
        )
    ),
    "a task without anything": b"<returnval>%s</returnval>"
    % page(
        OBJECT % b"Task" + PROPERTY % (b"info", b"TaskInfo", b"<state>error</state>"),
        OBJECT % b"Task" + PROPERTY % (b"info.state", b"xsd:string", b"running"),
    ),
    "a reference": b'<returnval type="Task">task-1</returnval>',
    "a page of areas": b"<returnval><startOffset>0</startOffset><length>9999999</length>"
    b"<changedArea/></returnval>",
    "a privilege": b"<returnval><privAvailability/></returnval>",
    "a session": b"<returnval><key>1</key></returnval>",
}


METHODS = (
    *("RetrievePropertiesEx", "Fetch", "CreateContainerView", "FindAllByUuid", "DestroyView"),
    *("CreateSnapshot_Task", "RemoveSnapshot_Task", "ReconfigVM_Task", "QueryChangedDiskAreas"),
    *("CreatePropertyCollector", "CreateFilter", "WaitForUpdatesEx", "HasPrivilegeOnEntities"),
)


@pytest.fixture(scope="module", params=ODD.values(), ids=ODD)
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """Logged in at a server that gives this one answer to everything afterwards."""
    odd = vcenter_with(**dict.fromkeys(METHODS, request.param))
    with (
        serving(tmp_path_factory.mktemp("odd"), odd) as server,
        Session(server.endpoint()) as session,
    ):
        yield session


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_it_ends_with_an_error_of_ours_or_well(
    session: Session, flow: Callable[[Session], object]
) -> None:
    said = "read"
    try:
        flow(session)
    except VSphereError as error:
        said = str(error)
    assert 0 < len(said) < 2000
