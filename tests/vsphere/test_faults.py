from __future__ import annotations

import http.client
import socket
import ssl
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim, vmodl

from contexts.vsphere import errors
from contexts.vsphere.faults import fault_name, task_error, translate, translating
from contexts.vsphere.verdicts import Activity


@pytest.mark.parametrize(
    ("fault", "kind", "transient"),
    [
        (vim.fault.NotAuthenticated(), errors.SessionExpired, True),
        (vim.fault.NoPermission(privilegeId="System.View"), errors.PrivilegeMissing, False),
        (vim.fault.InvalidLogin(), errors.LoginRefused, False),
        (vmodl.fault.ManagedObjectNotFound(), errors.ObjectGone, False),
        (vmodl.fault.InvalidArgument(), errors.InvalidRequest, False),
        (vmodl.fault.MethodNotFound(), errors.InvalidRequest, False),
        (vim.fault.TaskInProgress(), errors.VSphereFault, True),
        (vmodl.fault.HostNotConnected(), errors.VSphereFault, True),
        (vim.fault.FileFault(), errors.VSphereFault, True),
        (ConnectionRefusedError(), errors.ConnectionRefused, True),
        (ConnectionResetError(), errors.ConnectionLost, True),
        (http.client.RemoteDisconnected(), errors.ConnectionLost, True),
        (ExpatError("no element found"), errors.ConnectionLost, True),
        (TimeoutError(), errors.ConnectionLost, True),
        (ssl.SSLEOFError(), errors.ConnectionLost, True),
        (ssl.SSLError(1, "[SSL: BAD_RECORD_MAC]"), errors.ConnectionLost, True),
        (http.client.HTTPException("503 Service Unavailable"), errors.ConnectionLost, True),
        (http.client.HTTPException("404 Not Found"), errors.NotVSphere, False),
        (socket.gaierror(), errors.AddressUnknown, False),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), errors.AddressUnknown, False),
        (socket.gaierror(socket.EAI_AGAIN, "not now"), errors.NameServiceAway, True),
        (UnicodeError(), errors.AddressUnknown, False),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_each_failure_has_its_error(
    fault: Exception, kind: type[errors.VSphereError], transient: bool
) -> None:
    error = translate(fault, "Trying")
    assert type(error) is kind
    assert error.transient is transient
    assert str(error).startswith("Trying: ")


@pytest.mark.parametrize("activity", [Activity.CONNECTING, Activity.LOGGING_IN])
def test_what_a_server_does_not_find_before_a_login_is_its_own(activity: Activity) -> None:
    error = translate(vmodl.fault.ManagedObjectNotFound(msg="no such object"), "Trying", activity)
    assert (type(error), error.transient) == (errors.VSphereFault, True)
    assert "no such object" in str(error)


def test_a_missing_privilege_is_named() -> None:
    error = translate(vim.fault.NoPermission(privilegeId="Datastore.Browse", msg="no"), "Reading")
    assert isinstance(error, errors.PrivilegeMissing)
    assert error.privilege == "Datastore.Browse"
    assert "Datastore.Browse" in str(error)


def test_a_fault_keeps_vcenters_words_and_its_name_and_no_dump_of_the_object() -> None:
    error = translate(vim.fault.FileFault(file="[ds] secret.vmdk", msg="Error caused by file"), "X")
    assert isinstance(error, errors.VSphereFault)
    assert error.fault == "FileFault"
    assert str(error).startswith("X: vSphere answers FileFault: Error caused by file. Check ")
    assert "secret" not in str(error)


def test_a_fault_without_words_is_told_by_its_name() -> None:
    assert str(translate(vim.fault.NotFound(), "X")) == "X: vSphere answers NotFound."


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (vim.fault.ApplicationQuiesceFault(), errors.TaskFailed),
        (vim.fault.GenericVmConfigFault(), errors.TaskFailed),
        # The task's own login somewhere: vmrep's is not concerned.
        (vim.fault.NotAuthenticated(), errors.TaskFailed),
        (vim.fault.InvalidLogin(), errors.TaskFailed),
        (vmodl.fault.InvalidArgument(), errors.TaskFailed),
        (vim.fault.NoPermission(), errors.PrivilegeMissing),
        (vmodl.fault.ManagedObjectNotFound(), errors.ObjectGone),
        (None, errors.TaskFailed),
    ],
)
def test_a_failed_task_has_its_error(
    fault: Exception | None, kind: type[errors.VSphereError]
) -> None:
    assert type(task_error(fault, "Creating")) is kind


# ------------------------------------------------------------------ by class and activity


def unknown(name: str) -> Exception:
    """A fault of a class that pyVmomi does not know, as `answers` makes it."""
    fault = vmodl.MethodFault(msg="Something new.")
    object.__setattr__(fault, "unknown_name", name)
    return fault


# Of every branch of the API's tree, seen in the field or not.
ANY = [
    vim.fault.FileLocked(),
    vim.fault.CannotAccessFile(),
    vim.fault.GenericVmConfigFault(),
    vim.fault.InvalidState(),
    vim.fault.InvalidPowerState(),
    vim.fault.InvalidVmState(),
    vim.fault.SnapshotFault(),
    vim.fault.FilesystemQuiesceFault(),
    vim.fault.ToolsUnavailable(),
    vim.fault.Timedout(),
    vim.fault.ResourceInUse(),
    vim.fault.InsufficientResourcesFault(),
    vim.fault.MigrationFault(),
    vmodl.fault.SystemError(),
    vmodl.fault.UnexpectedFault(),
    vmodl.RuntimeFault(),
    vim.fault.VimFault(),
    unknown("QuantumFault"),
]
LASTING = [
    vmodl.fault.NotSupported(),
    vim.fault.NoDiskSpace(),
    vim.fault.TooManySnapshotLevels(),
    vim.fault.RestrictedVersion(),
    vim.fault.InvalidDeviceSpec(),
    vim.fault.PhysCompatRDMNotSupported(),
    vim.fault.LicenseRestricted(),
    vim.fault.EncryptionKeyRequired(),
    vim.fault.QuestionPending(),
]
BUSY = [
    vim.fault.TaskInProgress(),
    vim.fault.VAppTaskInProgress(),
    vim.fault.InvalidHostState(),
    vim.fault.InvalidHostConnectionState(),
    vim.fault.SSLVerifyFault(),
    vmodl.fault.HostNotReachable(),
    vmodl.fault.RequestCanceled(),
]


@pytest.mark.parametrize("activity", list(Activity), ids=lambda it: it.name)
def test_every_fault_has_a_verdict_by_what_was_done(activity: Activity) -> None:
    for fault in (*ANY, *LASTING, *BUSY):
        _assert_judged(fault, activity)


def _assert_judged(fault: Exception, activity: Activity) -> None:
    error = translate(fault, "Trying", activity)
    assert isinstance(error, errors.VSphereFault)
    assert error.fault == fault_name(fault)
    assert str(error).startswith(f"Trying: vSphere answers {error.fault}")
    is_busy = fault in BUSY
    special = {
        Activity.QUIESCING: errors.QuiesceFailed,
        Activity.ASKING_CHANGED_AREAS: errors.CbtFault,
    }.get(activity)
    if activity is Activity.ASKING_CHANGED_AREAS and isinstance(fault, vim.fault.Timedout):
        is_busy = True
    if special is not None:
        assert isinstance(error, special) is not is_busy
    if special is None or is_busy:
        assert error.transient is (fault not in LASTING)
    done = task_error(fault, "Trying", activity)
    assert isinstance(done, errors.TaskFailed)
    assert (done.transient, done.fault) == (error.transient, error.fault)


@pytest.mark.parametrize(
    ("fault", "activity", "kind", "words"),
    [
        (vim.fault.InvalidLogin(), Activity.LOGGING_IN, errors.LoginRefused, "is locked"),
        (vim.fault.PasswordExpired(), Activity.LOGGING_IN, errors.LoginRefused, "has expired"),
        (vim.fault.NoPermission(), Activity.LOGGING_IN, errors.PrivilegeMissing, "is right"),
        (vmodl.fault.SystemError(), Activity.LOGGING_IN, errors.VSphereFault, "within vSphere"),
        (
            http.client.HTTPException("503 Service Unavailable"),
            Activity.LOGGING_IN,
            errors.ConnectionLost,
            "as many sessions",
        ),
        (vim.fault.FileLocked(), Activity.READING, errors.VSphereFault, "open"),
        (vim.fault.NoDiskSpace(), Activity.CREATING_SNAPSHOT, errors.VSphereFault, "Free space"),
        (vim.fault.GenericVmConfigFault(), Activity.QUIESCING, errors.QuiesceFailed, "writers"),
        (unknown("NewFault"), Activity.READING, errors.VSphereFault, "does not know this fault"),
    ],
    ids=lambda value: getattr(value, "__name__", getattr(value, "name", type(value).__name__)),
)
def test_a_verdict_says_what_to_do(
    fault: Exception, activity: Activity, kind: type[errors.VSphereError], words: str
) -> None:
    error = translate(fault, "Trying", activity)
    assert type(error) is kind
    assert words in str(error)


def test_the_servers_own_words_are_reported_with_the_causes_that_it_names_and_bounded() -> None:
    said = [vmodl.LocalizableMessage(key="k", message=f"cause {n}") for n in range(50)]
    fault = vim.fault.GenericVmConfigFault(msg="It failed.", faultMessage=said)
    fault.faultCause = vim.fault.FileLocked(msg="Failed to lock the file")
    text = str(translate(fault, "Trying"))
    assert "It failed. cause 0 cause 1 cause 2 Failed to lock the file." in text
    assert "cause 3" not in text
    fault.msg = "x" * 100_000
    assert len(str(translate(fault, "Trying"))) < 2_000


def test_the_door_lets_own_errors_through_and_keeps_the_cause() -> None:
    gone = errors.ObjectGone("gone")
    with pytest.raises(errors.ObjectGone) as own, translating("X"):
        raise gone
    assert own.value is gone
    cause = ConnectionResetError("by peer")
    with pytest.raises(errors.ConnectionLost) as lost, translating("X"):
        raise cause
    assert lost.value.__cause__ is cause


def test_the_door_hides_no_mistakes_of_ones_own() -> None:
    with pytest.raises(ZeroDivisionError), translating("X"):
        1 / 0  # noqa: B018
