"""Expected refusals, and reasons for a job's end. Each message says what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contexts.errors import ContextError


class ReplicationError(ContextError):
    """Base of this app's expected refusals."""


class AlreadyRunning(ReplicationError):
    """A job of this VM is already active: `job`."""

    code = "already_running"

    def __init__(self, message: str, job: Any) -> None:
        super().__init__(message)
        self.job = job

    @property
    def details(self) -> dict[str, Any]:
        return {"job_id": self.job.pk}


class NoRepository(ReplicationError):
    """There is no repository, or there are several and none was named."""

    code = "no_repository"


class RepositoryRefused(ReplicationError):
    """A folder that cannot become a repository."""

    code = "repository_refused"


class RestoreRefused(ReplicationError):
    """A repository, or a VM in it, cannot be taken up: what is known says something else."""

    code = "restore_refused"


class RepositoryInUse(ReplicationError):
    """A repository that something depends on cannot be removed."""

    code = "repository_in_use"


class RepositoryGone(ReplicationError):
    """A repository that has been removed."""

    code = "repository_gone"


class ConfirmFolder(ReplicationError):
    """What a folder is has to be looked at before it becomes a repository: `facts`."""

    code = "confirm_folder"

    def __init__(self, message: str, facts: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.facts = facts

    @property
    def details(self) -> dict[str, Any]:
        return {"facts": dict(self.facts)}


class UnknownJob(ReplicationError):
    """No job has this ID, as far as you may see."""

    code = "unknown_job"


class JobNotActive(ReplicationError):
    """The job has already ended."""

    code = "job_not_active"


class TooMany(ReplicationError):
    """More VMs at once than one request may take."""

    code = "too_many"


class IntegrityCheckRunning(ReplicationError):
    """Another integrity check is running: two at once would repair the same fault twice."""

    code = "audit_running"


class NothingToRetry(ReplicationError):
    """The job has not failed, or another one came after it."""

    code = "nothing_to_retry"


class PreflightRefused(ReplicationError):
    """The VM cannot be replicated in its present state."""

    code = "preflight_refused"


class RecoveryPointHeld(ReplicationError):
    """A recovery point is being read or is pinned, so its images must not change."""

    code = "recovery_point_held"


class NameNotConfirmed(ReplicationError):
    """The typed text is not the name of the VM whose replica data is to be deleted."""

    code = "name_not_confirmed"

    @property
    def details(self) -> dict[str, Any]:
        return {"errors": {"confirm_vm_name": [str(self)]}}


class JobCancelled(Exception):
    """A user cancelled this job."""


class TryAgain(Exception):
    """This attempt cannot continue, but the next one may succeed."""


class HandedOver(Exception):
    """This worker is told to stop: another one goes on from where the work is."""


class RemovalUnfinished(Exception):
    """The removal of a recovery point has to end first: the job waits until it has."""


class RemovalWaits(Exception):
    """A recovery point cannot be removed now; the removal is tried again later."""


class PointNeeded(ReplicationError):
    """A recovery point that must stay: the newest one, or one that is pinned or in use."""

    code = "point_needed"


class PointGone(ReplicationError):
    """The recovery point has been removed, or is being removed."""

    code = "point_gone"


class AlreadyVerifying(ReplicationError):
    """Another recovery point of the VM is being verified."""

    code = "already_verifying"


class NothingToVerify(ReplicationError):
    """The VM has no recovery point that could be verified."""

    code = "nothing_to_verify"


class NeverVerified(ReplicationError):
    """There is no verification of this recovery point."""

    code = "never_verified"


class VerificationEnded(ReplicationError):
    """The verification has ended: nothing of it can be cancelled."""

    code = "verification_ended"


class VerificationLost(Exception):
    """Another worker has the verification now, or it has ended: this one stops at once."""


class OthersAtWork(Exception):
    """Another product works on the VM: the job waits until that is over."""


class ResourceFull(ReplicationError):
    """All places of a resource (`selectors.limits.Resource`) are taken: the job waits in the queue
    for one."""

    code = "resource_full"

    def __init__(self, message: str, *, resource: Any) -> None:
        super().__init__(message)
        self.resource = resource


class LimitRefused(ReplicationError):
    """A limit, or a window of bandwidth, that means nothing."""

    code = "limit_refused"


class LeaseLost(Exception):
    """Another worker may be writing now: stop at once, touch nothing, clean nothing up."""


class PolicyRefused(ReplicationError):
    """Values that no policy can have: `errors` by field."""

    code = "policy_refused"

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)

    @property
    def details(self) -> dict[str, Any]:
        return {"errors": {field: [why] for field, why in self.errors.items()}}


class BulkRefused(ReplicationError):
    """A bulk action of no VM, or without what its kind needs."""

    code = "bulk_refused"


class BulkEnded(ReplicationError):
    """The bulk action is over: nothing is left to cancel."""

    code = "bulk_ended"


class PolicyInUse(ReplicationError):
    """A policy that still applies somewhere cannot be removed."""

    code = "policy_in_use"


class ScopeTaken(ReplicationError):
    """Another policy applies there already."""

    code = "scope_taken"


class ScopeRefused(ReplicationError):
    """A place where no policy can apply, or from which this one cannot be taken."""

    code = "scope_refused"


class PauseRefused(ReplicationError):
    """A pause of nothing, or one that is over before it begins."""

    code = "pause_refused"


class GroupRefused(ReplicationError):
    """A group that cannot be as it was asked for, or has nothing to replicate."""

    code = "group_refused"


class GroupRunning(ReplicationError):
    """The group's VMs are being gathered already."""

    code = "group_running"


class LeftBehind(Exception):
    """A VM was not ready when the others of its group were: its job goes on alone."""
