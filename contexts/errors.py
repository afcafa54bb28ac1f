"""Expected refusals. Each message says what happened, to which VM, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ContextError(Exception):
    """Base of all expected refusals; `code` is for programs, the message for people."""

    code = "refused"

    @property
    def details(self) -> dict[str, Any]:
        """What a program needs in addition to the message."""
        return {}


class SecretUnreadable(ContextError):
    """A stored password cannot be decrypted: enter it again."""

    code = "secret_unreadable"


class UnknownVM(ContextError):
    """No VM has this name or this ID, as far as you may see."""

    code = "unknown_vm"


class UnknownVCenter(ContextError):
    """No vCenter has this host or this ID, as far as you may see."""

    code = "unknown_vcenter"


class AmbiguousVM(ContextError):
    """Several VMs have the name that was asked for."""

    code = "ambiguous_vm"

    def __init__(self, message: str, candidates: Sequence[dict[str, Any]]) -> None:
        super().__init__(message)
        self.candidates = list(candidates)

    @property
    def details(self) -> dict[str, Any]:
        return {"candidates": self.candidates}


class AmbiguousVCenter(AmbiguousVM):
    """Several vCenters have the host that was asked for: its port tells which."""

    code = "ambiguous_vcenter"


class NotManageable(ContextError):
    """This VM cannot be taken under management."""

    code = "not_manageable"


class VMGone(ContextError):
    """The VM is not, or no longer, in its vCenter."""

    code = "vm_gone"


class IdentityChanged(ContextError):
    """A VM that is probably a known one has a new instance UUID: an operator must decide."""

    code = "identity_changed"

    def __init__(self, message: str, *, context_id: str, discovered_vm_id: int) -> None:
        super().__init__(message)
        self.context_id, self.discovered_vm_id = context_id, discovered_vm_id

    @property
    def details(self) -> dict[str, Any]:
        return {"context_id": self.context_id, "discovered_vm_id": self.discovered_vm_id}


class IdentityRefused(ContextError):
    """The two VMs cannot be the same, or there is no evidence that they are."""

    code = "identity_refused"


class NotManaged(ContextError):
    """The VM is not under management."""

    code = "not_managed"


class ContextBusy(ContextError):
    """Another process is changing this VM's record or replica right now."""

    code = "busy"


class VCenterChanged(ContextError):
    """A vCenter's address or login cannot be changed like this."""

    code = "vcenter_changed"


class VCenterBusy(ContextError):
    """Another thread of this worker is talking to the vCenter; the caller retries later."""

    code = "vcenter_busy"


class ServersBusy(ContextError):
    """Too many requests are already waiting for servers, so this server is not contacted."""

    code = "servers_busy"


class TargetRefused(ContextError):
    """An RPO target outside the allowed range."""

    code = "target_refused"


class DiskRefused(ContextError):
    """This disk cannot be left out of the VM's replication, or included again."""

    code = "disk_refused"


class VCenterInUse(ContextError):
    """A vCenter that VMs depend on cannot be removed; `details` counts them."""

    code = "vcenter_in_use"

    def __init__(self, message: str, **counts: int) -> None:
        super().__init__(message)
        self.counts = counts

    @property
    def details(self) -> dict[str, Any]:
        return dict(self.counts)


class TransitionRefused(ContextError):
    """A status cannot follow the one that the context has."""

    code = "transition_refused"
