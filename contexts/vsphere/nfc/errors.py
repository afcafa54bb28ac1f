"""What can go wrong on the way to a disk's bytes over NFC."""

from __future__ import annotations

from contexts.vsphere.errors import VSphereError


class NfcError(VSphereError):
    """The host did not give the bytes, or gave an answer that it must not give. The message names
    host, VM and disk. `transient`: a new connection with a new ticket may get further."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class NfcRefused(NfcError):
    """The host said no: to the ticket, the path or the number of sessions."""


class OtherCertificate(NfcRefused):
    """The host's certificate is not the one that the ticket names. Nothing was sent."""


class NfcBroken(NfcError):
    """The connection ended, stalled, or carried what is not the protocol."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)
