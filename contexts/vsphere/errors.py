"""What can go wrong with vSphere. Every message says what happened and what to do next.

`transient` errors (network, a restarting vCenter, an expired session) are worth another attempt
of the whole job; the others stay until somebody changes something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contexts.vsphere.records import VmRecord


class VSphereError(Exception):
    """Base of everything that this package raises on purpose."""

    transient = False


class AddressUnknown(VSphereError):
    """The host name does not resolve."""


class NameServiceAway(AddressUnknown):
    """The host name cannot be looked up at the moment: DNS does not answer."""

    transient = True


class AddressNotAllowed(VSphereError):
    """The name leads to this machine, its own link or a metadata service: nothing was sent."""


class ConnectionRefused(VSphereError):
    """Nothing listens there, or the network says no."""

    transient = True


class ConnectionLost(VSphereError):
    """The connection broke, timed out or ended in mid-answer.

    Whether the server carried out what it was asked is unknown: look before asking again.
    """

    transient = True


class SessionExpired(ConnectionLost):
    """The login is no longer valid, and with it what it held: views, filters, page tokens."""


class NotVSphere(VSphereError):
    """Something answers at the address, but it is not a vSphere API that vmrep understands."""


class AnswerTooLarge(NotVSphere):
    """More came than any well-meaning server would send: the rest is not read."""


class CertificateNotTrusted(VSphereError):
    """No trusted authority vouches for the certificate, or it is for another name: `reason` is
    OpenSSL's."""

    def __init__(
        self, message: str, *, fingerprint_sha256: str | None, reason: str = "not trusted"
    ) -> None:
        super().__init__(message)
        self.fingerprint_sha256 = fingerprint_sha256
        self.reason = reason


class CertificateChanged(VSphereError):
    """The server presents a certificate other than the pinned one. Nothing was sent to it."""

    def __init__(self, message: str, *, expected: str, presented: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.presented = presented


class LoginRefused(VSphereError):
    """Wrong user name or password, or a locked account."""


class PrivilegeMissing(VSphereError):
    """The account may not do this."""

    def __init__(self, message: str, *, privilege: str | None) -> None:
        super().__init__(message)
        self.privilege = privilege


class OtherEstate(VSphereError):
    """The address answers with an about.instanceUuid other than the known one."""

    def __init__(self, message: str, *, expected: str, presented: str | None) -> None:
        super().__init__(message)
        self.expected = expected
        self.presented = presented


class ObjectGone(VSphereError):
    """The VM, snapshot, task or file does not exist, or no longer exists."""


class AnotherVM(ObjectGone):
    """The VM is gone, and at its reference there is one with another instance UUID: `found`."""

    def __init__(self, message: str, *, found: VmRecord) -> None:
        super().__init__(message)
        self.found = found


class VmUnreadable(VSphereError):
    """vSphere does not say what has to be known of a VM, or not so that vmrep understands it:
    `found` has what it says. Another attempt may find the VM as usual: hosts go and come back."""

    transient = True

    def __init__(self, message: str, *, found: VmRecord) -> None:
        super().__init__(message)
        self.found = found


class AmbiguousUUID(VSphereError):
    """Several VMs of the vCenter share one instance UUID: which one is meant is unknown."""


class NoTransport(VSphereError):
    """No transport reads all disks of a VM; the message says of each why. `transient` when one of
    them may later."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class VSphereFault(VSphereError):
    """A fault without a class of its own. `fault` is its name in the API, e.g. "InvalidState"."""

    def __init__(self, message: str, *, fault: str, transient: bool = False) -> None:
        super().__init__(message)
        self.fault = fault
        self.transient = transient


class InvalidRequest(VSphereFault):
    """vSphere did not accept an argument, or does not know the call."""


class CbtFault(VSphereFault):
    """QueryChangedDiskAreas cannot answer for this disk and change ID.

    The change ID is of another epoch, or the datastore does not know allocated areas ("*"):
    the disk has to be read or compared whole.
    """


class TaskFailed(VSphereFault):
    """A vSphere task ended with an error; the message is vCenter's own, with what was tried."""


class QuiesceFailed(TaskFailed):
    """The guest could not be quiesced for a snapshot; one without quiescing may work."""


class SnapshotNotListed(VSphereError):
    """vSphere made a snapshot (`moref`) that its VM does not list: another one would go the same
    way."""

    def __init__(self, message: str, *, moref: str) -> None:
        super().__init__(message)
        self.moref = moref


class FilesLeft(VSphereError):
    """Files of removed snapshots are left, though vSphere was asked to consolidate them."""

    transient = True


class TaskStillRunning(VSphereError):
    """vSphere is still working on something; vmrep stops waiting for it and checks again later."""

    transient = True


class DatastoreReadFailed(VSphereError):
    """A datastore file cannot be read over HTTPS. `status` is the HTTP answer, if there was one."""

    def __init__(self, message: str, *, status: int | None = None, transient: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.transient = transient


class DiskReplaced(VSphereError):
    """Another disk's file is where the disk was: the disk was moved or replaced just now, and
    another attempt may find it."""

    transient = True


class DiskNotReadable(VSphereError):
    """The disk's format cannot be read through the datastore transport."""
