"""What a fault of vSphere means for whoever met it: by its class, and by what was being done.

A fault of a class that only a change by somebody can help is lasting. Every other one, also one of
a class that nobody knows, is worth some more attempts: vSphere says "InvalidState" and
"SystemError" of what has passed a minute later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pyVmomi import vim, vmodl


class Activity(Enum):
    """What was being done when a fault came."""

    READING = "reading"
    CONNECTING = "connecting"
    LOGGING_IN = "logging in"
    ENABLING_TRACKING = "enabling change tracking"
    CREATING_SNAPSHOT = "creating a snapshot"
    QUIESCING = "creating a quiesced snapshot"
    REMOVING_SNAPSHOT = "removing a snapshot"
    ASKING_CHANGED_AREAS = "asking for changed areas"
    READING_DATA = "reading a disk's data"
    OTHER = "something else"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`transient`: another attempt may succeed without anybody doing anything. `remedy` is a
    sentence, or empty where the server's own words are all that is known.

    `busy`: the VM, its host or the way to it is occupied or away, so that the fault says nothing
    about what was asked for: neither that a guest cannot be quiesced, nor that change tracking
    cannot answer.
    """

    transient: bool
    remedy: str
    busy: bool = False


_BUSY = (
    vim.fault.TaskInProgress,
    vim.fault.ConcurrentAccess,
    vim.fault.HostConnectFault,
    vim.fault.InvalidHostState,
    vmodl.fault.HostCommunication,
    vmodl.fault.RequestCanceled,
)
_LASTING = (
    vmodl.fault.InvalidRequest,
    vmodl.fault.InvalidArgument,
    vmodl.fault.NotSupported,
    vmodl.fault.NotImplemented,
    vmodl.fault.NotEnoughLicenses,
    vmodl.fault.SecurityError,
    vmodl.query.InvalidProperty,
    vim.fault.EncryptionKeyRequired,
    vim.fault.FileNameTooLong,
    vim.fault.FileTooLarge,
    vim.fault.InsufficientStorageSpace,
    vim.fault.InvalidDatastore,
    vim.fault.InvalidFormat,
    vim.fault.InvalidLicense,
    vim.fault.InvalidLogin,
    vim.fault.InvalidVmConfig,
    vim.fault.LimitExceeded,
    vim.fault.MemorySnapshotOnIndependentDisk,
    vim.fault.MultipleSnapshotsNotSupported,
    vim.fault.NoDiskSpace,
    vim.fault.NotFound,
    vim.fault.QuestionPending,
    vim.fault.RestrictedByAdministrator,
    vim.fault.RestrictedVersion,
    vim.fault.SnapshotDisabled,
    vim.fault.SnapshotIncompatibleDeviceInVm,
    vim.fault.TooManySnapshotLevels,
    vim.fault.VirtualHardwareCompatibilityIssue,
    vim.fault.VmFaultToleranceIssue,
)
# The first class that a fault is of; the narrower ones come first.
_REMEDIES: tuple[tuple[tuple[Any, ...], str], ...] = (
    (
        (vim.fault.TaskInProgress, vim.fault.ConcurrentAccess),
        "Another task is working on it. If this continues, check the VM's tasks in the vCenter.",
    ),
    (
        (vim.fault.FileLocked,),
        "Something else has the file open: another product that is backing up the VM, or a host"
        " that still holds it. If this continues, end that backup, or release the disk on the"
        " host.",
    ),
    (
        (vim.fault.NoDiskSpace, vim.fault.InsufficientStorageSpace),
        "Free space on the VM's datastore: a snapshot needs room for what the guest writes.",
    ),
    (
        (vim.fault.FileFault,),
        "Check that the host reaches the VM's datastore. If this continues, migrate the VM to"
        " another host.",
    ),
    (
        (vim.fault.HostConnectFault, vmodl.fault.HostCommunication),
        "The vCenter does not reach the VM's host. Check that the host is connected there.",
    ),
    ((vim.fault.InvalidHostState,), "Check the host: connected, and not in maintenance mode?"),
    (
        (vim.fault.QuestionPending,),
        "The VM is waiting for the answer to a question. Answer it in the vCenter (VM, Summary).",
    ),
    (
        (vim.fault.EncryptionKeyRequired,),
        "The VM's encryption key is missing on its host. Check the key provider in the vCenter.",
    ),
    (
        (vim.fault.InvalidState,),
        "If this continues, check the VM's state and tasks in the vCenter.",
    ),
    (
        (vim.fault.RestrictedVersion, vmodl.fault.NotEnoughLicenses, vim.fault.InvalidLicense),
        "The licence of the host or vCenter does not allow this. The free ESXi allows no changes"
        " through the API.",
    ),
    (
        (vim.fault.MethodDisabled,),
        "Another product has disabled this for the VM while it works on it. If none does, the"
        " vCenter's documentation says how to enable the method again.",
    ),
    (
        (vim.fault.TooManySnapshotLevels,),
        "The VM has too many snapshots in a row: remove some in the vCenter (Snapshots).",
    ),
    (
        (vim.fault.SnapshotDisabled, vim.fault.MultipleSnapshotsNotSupported),
        "Allow snapshots for this VM in its configuration, or leave it out.",
    ),
    (
        (
            vim.fault.SnapshotIncompatibleDeviceInVm,
            vim.fault.VirtualHardwareCompatibilityIssue,
            vim.fault.MemorySnapshotOnIndependentDisk,
        ),
        "Remove the device that cannot be in a snapshot, or leave the VM out.",
    ),
    (
        (vim.fault.SnapshotFault, vim.fault.VmConfigFault),
        "If this continues, take a snapshot of the VM by hand in the vCenter: it will fail the"
        " same way, and the VM's vmware.log says why.",
    ),
    (
        (vim.fault.Timedout,),
        "If this continues, check the load of the VM's host and datastore.",
    ),
    (
        (vim.fault.InsufficientResourcesFault,),
        "Free resources on the VM's host, or migrate the VM to another one.",
    ),
    (
        (vmodl.fault.SystemError, vmodl.fault.UnexpectedFault, vim.fault.DatabaseError),
        "It is an error within vSphere. If this continues, see the logs of the vCenter (vpxd.log)"
        " and the host (hostd.log) for this time.",
    ),
)
_UNKNOWN = (
    "vmrep does not know this fault. If this continues, look for it in the vCenter's events and"
    " logs."
)


def judge(fault: Any, activity: Activity) -> Verdict:
    """The verdict on a fault that is neither a missing privilege, an expired login nor a missing
    object."""
    if getattr(fault, "unknown_name", None):
        return Verdict(transient=True, remedy=_UNKNOWN)
    remedy = next((words for kinds, words in _REMEDIES if isinstance(fault, kinds)), "")
    busy = isinstance(fault, _BUSY)
    if activity is Activity.ASKING_CHANGED_AREAS:
        # The query is one of many: for one that took too long the disk is not compared whole.
        busy = busy or isinstance(fault, vim.fault.Timedout)
    return Verdict(transient=not isinstance(fault, _LASTING), remedy=remedy, busy=busy)
