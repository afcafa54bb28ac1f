"""What can be refused here, and why a job ends. Each message tells an operator what to do next."""

from __future__ import annotations

from typing import Any

from contexts.errors import ContextError


class ReplicationError(ContextError):
    """Base of this app's refusals."""


class AlreadyRunning(ReplicationError):
    """A job of this VM is active; `job` is that one."""

    code = "already_running"

    def __init__(self, message: str, job: Any) -> None:
        super().__init__(message)
        self.job = job

    @property
    def details(self) -> dict[str, Any]:
        return {"job_id": self.job.pk}


class NoRepository(ReplicationError):
    code = "no_repository"


class RepositoryRefused(ReplicationError):
    """A folder that cannot become a repository."""

    code = "repository_refused"


class RepositoryInUse(ReplicationError):
    """A repository that something depends on cannot be removed."""

    code = "repository_in_use"


class UnknownJob(ReplicationError):
    code = "unknown_job"


class JobNotActive(ReplicationError):
    """The job has ended already."""

    code = "job_not_active"


class TooMany(ReplicationError):
    """More VMs at once than one request may take."""

    code = "too_many"


class AuditRunning(ReplicationError):
    """Two integrity checks at once would repair the same thing twice."""

    code = "audit_running"


class PreflightRefused(ReplicationError):
    """The VM cannot be replicated as it is."""

    code = "preflight_refused"


class RecoveryPointHeld(ReplicationError):
    """Somebody reads a recovery point, or has pinned it: its images stay as they are."""

    code = "recovery_point_held"


class NameNotConfirmed(ReplicationError):
    """What was typed is not what names the VM whose replica data is to be deleted."""

    code = "name_not_confirmed"

    @property
    def details(self) -> dict[str, Any]:
        return {"errors": {"confirm_vm_name": [str(self)]}}


class JobCancelled(Exception):
    """Somebody asked for this job to be cancelled."""


class TryAgain(Exception):
    """This attempt cannot go on, but the next one may."""


class LeaseLost(Exception):
    """Another worker may be writing by now: stop at once, touch nothing, clean nothing up."""
