"""Who may see and do what, how often somebody may log in, and whose vCenter it is."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path

import pytest
from pyVmomi import vim

from tests.lab.client import PC, Client, connect
from tests.labs import PASSWORD, LabCache
from vmrep.lab import Lab, LabControl

BROWSE, FILES = "Datastore.Browse", "Datastore.FileManagement"
DESCRIPTOR = "small1/small1.vmdk"


@pytest.mark.parametrize("privilege", [BROWSE, FILES])
@pytest.mark.parametrize("where", ["", "datastore1", "DC1"])
def test_files_without_the_right_are_answered_as_without_a_login(
    client: Client, lab_control: LabControl, privilege: str, where: str
) -> None:
    lab_control.deny_privilege(privilege, where=where)
    response, body = client.get(DESCRIPTOR)
    assert (response.status, response.getheader("WWW-Authenticate", "")[:5]) == (401, "Basic")
    assert privilege.encode() in body
    lab_control.deny_privilege(privilege, where=where, on=False)
    assert client.get(DESCRIPTOR)[0].status == 200


def test_a_privilege_is_lacking_on_an_object_and_all_below_it(
    client: Client, lab_control: LabControl
) -> None:
    create = "VirtualMachine.State.CreateSnapshot"
    lab_control.deny_privilege(create, where="DC1")
    with pytest.raises(vim.fault.NoPermission) as caught:
        client.vm("small1").CreateSnapshot_Task("s", "", False, False)
    assert caught.value.privilegeId == create


def test_an_object_that_nobody_may_see_is_passed_over(
    client: Client, lab_control: LabControl
) -> None:
    vm = client.vm("small1")
    datastore = vm.datastore[0]
    lab_control.hide_object("datastore1")
    lab_control.hide_object("DC1")
    with pytest.raises(vim.fault.NoPermission):
        _ = datastore.name
    view = client.content.viewManager.CreateContainerView(
        client.content.rootFolder, [vim.Datastore, vim.Datacenter, vim.VirtualMachine], True
    )
    kinds = [type(it) for it in view.view]
    assert vim.Datacenter not in kinds
    assert vim.VirtualMachine in kinds
    assert datastore._moId not in [it._moId for it in view.view]
    up = PC.TraversalSpec(name="up", type=vim.ManagedEntity, path="parent", skip=False)
    up.selectSet = [PC.SelectionSpec(name="up")]
    stores = PC.TraversalSpec(type=vim.VirtualMachine, path="datastore", skip=False)
    spec = PC.FilterSpec(
        objectSet=[PC.ObjectSpec(obj=vm, selectSet=[up, stores])],
        propSet=[PC.PropertySpec(type=vim.ManagedEntity, pathSet=["name"])],
    )
    found = client.content.propertyCollector.RetrievePropertiesEx([spec], PC.RetrieveOptions())
    assert [it.propSet[0].val for it in found.objects] == ["small1", "Tests", "vm"]
    assert client.get(DESCRIPTOR)[0].status == 401


# ------------------------------------------------------------------ logins


def test_an_account_is_locked_after_some_wrong_passwords(lab: Lab, lab_control: LabControl) -> None:
    lab_control.limit_logins(lock_after=3)
    for _ in range(2):
        with pytest.raises(vim.fault.InvalidLogin):
            connect(lab, password="wrong")
    connect(lab)  # in between: the count begins again
    for _ in range(3):
        with pytest.raises(vim.fault.InvalidLogin):
            connect(lab, password="wrong")
    with pytest.raises(vim.fault.InvalidLogin):
        connect(lab)
    assert lab_control.logins() == {"tried": 7, "refused": 6, "open": 1, "locked": True}
    lab_control.set_password("another")
    connect(lab, password="another")


def test_there_are_only_so_many_sessions(client: Client, lab_control: LabControl) -> None:
    lab_control.limit_logins(sessions=1)
    with pytest.raises(http.client.HTTPException, match="503"):
        connect(client.lab)
    client.content.sessionManager.Logout()
    connect(client.lab)


# ------------------------------------------------------------------ whose it is


@pytest.mark.parametrize("new_vm_uuids", [False, True])
def test_a_rebuilt_vcenter_has_the_vms_under_new_references(
    lab: Lab, lab_control: LabControl, new_vm_uuids: bool
) -> None:
    before, estate = lab_control.list_vms(), lab.instance_uuid
    client = Client(lab)
    made = lab_control.rebuild_vcenter(new_vm_uuids=new_vm_uuids)
    with pytest.raises(vim.fault.NotAuthenticated):
        client.si.CurrentTime()
    after = lab_control.list_vms()
    assert connect(lab).content.about.instanceUuid == made == lab.instance_uuid != estate
    assert [vm["name"] for vm in after] == [vm["name"] for vm in before]
    assert not {vm["moref"] for vm in after} & {vm["moref"] for vm in before}
    kept = [vm["instance_uuid"] for vm in after] == [vm["instance_uuid"] for vm in before]
    assert kept is not new_vm_uuids
    with pytest.raises(Exception, match="not a UUID"):
        lab_control.rebuild_vcenter("x")


# ------------------------------------------------------------------ how it is reached


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_it_listens_at_an_ipv6_address(lab_cache: LabCache, tmp_path: Path) -> None:
    with lab_cache.running("small", tmp_path / "lab", host="::1") as lab:
        assert lab.host == "::1"
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("::1", lab.port, context=context, timeout=10)
        connection.request("GET", "/sdk/vimServiceVersions.xml")
        assert connection.getresponse().status == 200
        connection.close()
        LabControl(lab.control_url).list_vms()


def test_it_can_be_a_server_that_knows_only_old_tls(lab_cache: LabCache, tmp_path: Path) -> None:
    running = lab_cache.running("small", tmp_path / "lab", newest_tls=ssl.TLSVersion.TLSv1_1)
    with running as lab, socket.create_connection((lab.host, lab.port), 10) as plain:
        context = ssl._create_unverified_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            context.wrap_socket(plain)


def test_a_disk_can_have_another_descriptor(client: Client, lab_control: LabControl) -> None:
    own = client.get(DESCRIPTOR)[1]
    lab_control.set_descriptor("small1", 2000, b"CID=%CID\r\n%extent\r\n")
    assert client.get(DESCRIPTOR)[1] == b"CID=fffffffe\r\nsmall1-flat.vmdk\r\n"
    lab_control.set_descriptor("small1", 2000)
    assert client.get(DESCRIPTOR)[1] == own
    assert PASSWORD.encode() not in own
