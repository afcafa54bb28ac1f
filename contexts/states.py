"""Every state of this app, and which may follow which, as data.

A status changes through one function (`contexts.services.statuses.change`), which compares and
sets; nothing else writes it.
"""

from __future__ import annotations

from django.db.models.enums import TextChoices

from contexts.vsphere.transports import TRANSPORTS


class TrustMode(TextChoices):
    """How a vCenter's certificate is judged."""

    VERIFY = "verify", "Verified against this machine's certificate authorities"
    PIN = "pin", "Pinned to one certificate by its fingerprint"
    INSECURE = "insecure", "Not checked (insecure)"


class TransportKind(TextChoices):
    """How disk bytes are read."""

    AUTO = "auto", "Automatic: NFC, else datastore files"
    DATASTORE = "datastore", "Datastore files over HTTPS"
    NFC = "nfc", "NFC, the ESXi hosts' own protocol"
    NBD = "nbd", "A command that serves NBD"


# What `auto` chooses between, and every other: what a job can have read disks by.
CHOSEN_TRANSPORTS = tuple(kind for kind in TransportKind if not TRANSPORTS[kind].first_of)


class DiscoveryStatus(TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"

    @classmethod
    def active(cls) -> list[str]:
        return [str(cls.PENDING), str(cls.RUNNING)]


class ContextStatus(TextChoices):
    """The state of a VM's protection. It is `replicating` exactly while a job is active."""

    DISCOVERED = "discovered", "Not replicated yet"
    REPLICATING = "replicating", "Replicating"
    READY = "ready_for_failover", "Ready for failover"
    FAILED = "failed", "Failed"


_S = ContextStatus
CONTEXT_TRANSITIONS: dict[str, frozenset[str]] = {
    _S.DISCOVERED: frozenset({_S.REPLICATING}),
    _S.REPLICATING: frozenset({_S.READY, _S.FAILED, _S.DISCOVERED}),
    # Back to discovered: the replica data was deleted, so there is nothing to fail over to.
    _S.READY: frozenset({_S.REPLICATING, _S.DISCOVERED}),
    _S.FAILED: frozenset({_S.REPLICATING}),
}


TAKEN, TAKEN_AGAIN = "taken under management", "taken under management again"
"""The reasons of the events that a taking records, one for each VM."""
