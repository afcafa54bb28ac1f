from __future__ import annotations

import pytest

from contexts.vsphere.errors import PrivilegeMissing
from contexts.vsphere.privileges import PRIVILEGES, Missing, read_privileges
from tests.vsphere.conftest import Connect
from vmrep.lab.control.client import LabControl


def lacking(connect: Connect) -> tuple[Missing, ...]:
    found = read_privileges(connect(), {"datastore"}).missing
    assert found is not None
    return found


def test_an_account_with_all_privileges_lacks_none(connect: Connect) -> None:
    found = read_privileges(connect(), {"datastore"})
    assert found.missing == ()
    assert (found.vms_seen, found.datastores_seen) == (2, 2)


@pytest.mark.parametrize(
    "privilege", [one.id for one in PRIVILEGES if not one.id.startswith("System")]
)
def test_each_privilege_that_is_missing_is_named(
    connect: Connect, control: LabControl, privilege: str
) -> None:
    control.deny_privilege(privilege)
    (missing,) = lacking(connect)
    assert missing.privilege.id == privilege
    assert missing.count == missing.looked_at > 0
    assert missing.examples == ()


def test_a_privilege_that_is_missing_on_one_vm_names_the_vm(
    connect: Connect, control: LabControl
) -> None:
    control.deny_privilege("VirtualMachine.State.CreateSnapshot", vm="small1")
    (missing,) = lacking(connect)
    assert (missing.count, missing.looked_at, missing.examples) == (1, 2, ("small1",))


@pytest.mark.parametrize("privilege", ["System.View", "System.Read"])
def test_an_account_that_may_not_look_at_all_is_refused(
    connect: Connect, control: LabControl, privilege: str
) -> None:
    session = connect()
    control.deny_privilege(privilege)
    with pytest.raises(PrivilegeMissing, match=privilege) as refusal:
        read_privileges(session, {"datastore"})
    assert refusal.value.privilege == privilege


def test_a_server_that_does_not_answer_such_questions_is_no_reason_to_refuse(
    connect: Connect, control: LabControl
) -> None:
    control.fail("HasPrivilegeOnEntities", fault="NotSupported", times=5)
    assert read_privileges(connect(), {"datastore"}).missing is None


@pytest.mark.parametrize("transport", ["nfc", "nbd"])
def test_rights_that_the_transport_does_not_need_are_not_missed(
    connect: Connect, control: LabControl, transport: str
) -> None:
    control.deny_privilege("Datastore.Browse")
    control.deny_privilege("Datastore.FileManagement")
    found = read_privileges(connect(), {transport})
    assert (found.missing, found.asked) == ((), len(PRIVILEGES) - 2)
    assert len(read_privileges(connect(), {transport, "datastore"}).missing or ()) == 2
