"""Logging in and out, and what happens without."""

from __future__ import annotations

import http.client
import ssl
import time
from pathlib import Path

import pytest
from pyVmomi import vim, vmodl

from tests.lab.client import Client, connect
from tests.labs import LabCache
from vmrep.lab import Lab, LabControl


def test_it_tells_who_it_is_before_a_login(lab: Lab) -> None:
    si = connect(lab)
    about = si.RetrieveContent().about
    assert about.apiType == "VirtualCenter"
    assert about.instanceUuid == lab.instance_uuid
    assert si.content.rootFolder._moId == "group-d1"


@pytest.mark.parametrize(("user", "password"), [(None, "wrong"), ("root", "only-for-tests")])
def test_it_refuses_wrong_credentials(lab: Lab, user: str | None, password: str) -> None:
    with pytest.raises(vim.fault.InvalidLogin):
        connect(lab, user, password)


def test_it_refuses_calls_without_a_session(client: Client) -> None:
    vm = client.vm("small1")
    client.content.sessionManager.Logout()
    with pytest.raises(vim.fault.NotAuthenticated):
        _ = vm.name
    with pytest.raises(vim.fault.NotAuthenticated):
        client.si.CurrentTime()


def test_expired_sessions_must_log_in_again(client: Client, lab_control: LabControl) -> None:
    assert lab_control.expire_sessions() == 1
    with pytest.raises(vim.fault.NotAuthenticated):
        client.si.CurrentTime()
    user = client.lab.username
    client.content.sessionManager.Login(user, client.lab.password)
    assert client.content.sessionManager.currentSession.userName == user


def test_a_session_ends_when_it_is_idle_for_too_long(lab_cache: LabCache, tmp_path: Path) -> None:
    scenario = tmp_path / "idle.toml"
    scenario.write_text("[estate]\nsession_idle_seconds = 0.2\n")
    with lab_cache.running(str(scenario), tmp_path / "lab") as lab:
        client = Client(lab)
        client.si.CurrentTime()
        time.sleep(0.5)
        with pytest.raises(vim.fault.NotAuthenticated):
            client.si.CurrentTime()


def test_unknown_objects_and_methods_are_named(client: Client) -> None:
    gone = vim.VirtualMachine("vm-999", client.si._stub)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound) as caught:
        _ = gone.name
    assert caught.value.obj._moId == "vm-999"
    with pytest.raises(vmodl.fault.MethodNotFound):
        client.vm("small1").MountToolsInstaller()


def test_a_reference_of_the_wrong_type_is_not_found(client: Client) -> None:
    moid = client.vm("small1")._moId
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = vim.Datastore(moid, client.si._stub).name


def test_what_is_no_soap_gets_a_fault(lab: Lab) -> None:
    context = ssl._create_unverified_context()
    for body in (b"", b"<a/>", b"not xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'):
        connection = http.client.HTTPSConnection(lab.host, lab.port, context=context, timeout=10)
        connection.request("POST", "/sdk", body)
        answer = connection.getresponse()
        assert answer.status == 500
        assert b"InvalidRequestFault" in answer.read()
        connection.close()


def test_privileges_can_be_taken_away(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    manager = client.content.authorizationManager
    privilege = "VirtualMachine.State.CreateSnapshot"
    assert manager.HasPrivilegeOnEntity(vm, "x", [privilege]) == [True]
    lab_control.deny_privilege(privilege)
    with pytest.raises(vim.fault.NoPermission) as caught:
        vm.CreateSnapshot_Task("s", "", False, False)
    assert caught.value.privilegeId == privilege
    answer = manager.HasPrivilegeOnEntities([vm], "x", [privilege, "System.View"])
    assert [p.isGranted for p in answer[0].privAvailability] == [False, True]
    assert privilege not in manager.FetchUserPrivilegeOnEntities([vm], "x")[0].privileges
