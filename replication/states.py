"""Every state of this app, and which may follow which, as data."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.enums import TextChoices


class JobStatus(TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ACTIVE_JOB_STATUSES = (JobStatus.PENDING.value, JobStatus.RUNNING.value)

_J = JobStatus
JOB_TRANSITIONS: dict[str, frozenset[str]] = {
    _J.PENDING: frozenset({_J.RUNNING, _J.CANCELLED, _J.FAILED}),
    # Back to pending: a transient error, or a worker that died; the job gets another attempt.
    _J.RUNNING: frozenset({_J.PENDING, _J.COMPLETED, _J.FAILED, _J.CANCELLED}),
    _J.COMPLETED: frozenset(),
    _J.FAILED: frozenset(),
    _J.CANCELLED: frozenset(),
}


class SyncType(TextChoices):
    """How one disk was brought up to date."""

    INITIAL = "initial", "Initial"
    INCREMENTAL = "incremental", "Incremental"
    CHECKSUM = "checksum", "Checksum"


FIRST_SYNC = "First replication of this disk."
"""Why a disk is synced in full when nothing is amiss: no reason to warn anybody."""


class ReplicationType(TextChoices):
    """A job's type: `initial` if any disk was read in full, `checksum`
    if any other was compared as a whole, else `incremental`."""

    INITIAL = "initial", "Initial"
    INCREMENTAL = "incremental", "Incremental"
    CHECKSUM = "checksum", "Checksum"


def type_of(sync_types: Iterable[str]) -> ReplicationType:
    """The type of a job whose disks are synced like this."""
    found = set(sync_types)
    if SyncType.INITIAL in found:
        return ReplicationType.INITIAL
    return ReplicationType.CHECKSUM if SyncType.CHECKSUM in found else ReplicationType.INCREMENTAL


class SyncRequest(TextChoices):
    """How a job was asked to sync the disks."""

    AS_NEEDED = "as_needed", "As needed"
    CHECKSUM = "checksum", "Compare every disk whole"
    INITIAL = "initial", "Copy every disk in full"
    RESET_CBT = "reset_cbt", "Reset change tracking, then compare every disk whole"


class Trigger(TextChoices):
    MANUAL = "manual", "Manual"
    API = "api", "API"
    SCHEDULE = "schedule", "Schedule"
    SYSTEM = "system", "System"


class StepName(TextChoices):
    """The steps of a job, in their order."""

    PREPARE = "prepare", "Prepare"
    TRACKING = "tracking", "Tracking"
    SNAPSHOT = "snapshot", "Snapshot"
    PLAN = "plan", "Plan"
    TRANSFER = "transfer", "Transfer"
    VERIFY = "verify", "Verify"
    COMMIT = "commit", "Commit"
    CLEAN_UP = "clean_up", "Clean up"


class StepStatus(TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    WARNING = "warning", "Completed with a warning"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    INTERRUPTED = "interrupted", "Interrupted"


class LogLevel(TextChoices):
    """Of a line of a job's log."""

    INFO = "info", "Information"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"


class SnapshotState(TextChoices):
    """A snapshot that vmrep made at a vCenter. `intended` is committed before the call."""

    INTENDED = "intended", "Intended"
    CREATED = "created", "Created"
    REMOVED = "removed", "Removed"


class RecoveryPointState(TextChoices):
    WRITING = "writing", "Writing"
    AVAILABLE = "available", "Available"
    EXPIRING = "expiring", "Expiring"
    EXPIRED = "expired", "Expired"


class ImageState(TextChoices):
    WRITING = "writing", "Writing"
    COMMITTED = "committed", "Committed"
    DELETING = "deleting", "Deleting"


class RepositoryKind(TextChoices):
    DIRECTORY = "directory", "Directory of qcow2 images"


class LeaseHolder(TextChoices):
    JOB = "job", "Job"
    CLEAN_UP = "clean_up", "Clean-up"
    RETENTION = "retention", "Retention"
    DELETION = "deletion", "Deletion"


class LimitKind(TextChoices):
    """Of what there may be only so much at once, all workers together."""

    VCENTER_JOBS = "vcenter_jobs", "Jobs per vCenter"
    REPOSITORY_JOBS = "repository_jobs", "Jobs per repository"
    HOST_SESSIONS = "host_sessions", "Disk sessions per ESXi host"
    DATASTORE_SNAPSHOTS = "datastore_snapshots", "Snapshots per datastore"
    POLICY_JOBS = "policy_jobs", "Jobs per policy"

    @classmethod
    def settable(cls) -> list[LimitKind]:
        """Those that are set as limits: a policy says its own."""
        return [kind for kind in cls if kind is not cls.POLICY_JOBS]


class HoldKind(TextChoices):
    VERIFY = "verify", "Verification"
    TEST_FAILOVER = "test_failover", "Test failover"
    PIN = "pin", "Pinned"


class RemovalWhy(TextChoices):
    """Why a recovery point goes."""

    POLICY = "policy", "Retention"
    USER = "user", "Deleted by a user"
    REPLICA = "replica", "Deleted with the VM's replica data"

    @classmethod
    def of_one_point(cls) -> list[str]:
        return [str(cls.POLICY), str(cls.USER)]


class RemovalState(TextChoices):
    """Of the removal of a recovery point. `under_way`: the point is expiring."""

    WANTED = "wanted", "Wanted"
    UNDER_WAY = "under_way", "Under way"
    DONE = "done", "Done"


class MergeStage(TextChoices):
    """How far an image's removal has come. `merged`: its file reads as its child does, and may have
    the child's name already. `done`: nothing is left to merge."""

    PLANNED = "planned", "Planned"
    MERGING = "merging", "Merging"
    MERGED = "merged", "Merged"
    DONE = "done", "Done"


class DamageFinder(TextChoices):
    """Who found that an image is damaged."""

    INTEGRITY = "integrity", "Integrity check"
    JOB = "job", "Replication"
    RETENTION = "retention", "Removal of a recovery point"
    VERIFY = "verify", "Verification"


class VerificationState(TextChoices):
    """Of the verification of a recovery point. `impossible`: there is nothing to compare it with.
    `failed`: it could not be read to its end, which says nothing about the point."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    VERIFIED = "verified", "Verified"
    DAMAGED = "damaged", "Damaged"
    IMPOSSIBLE = "impossible", "Cannot be verified"
    FAILED = "failed", "Not finished"
    CANCELLED = "cancelled", "Cancelled"

    @classmethod
    def active(cls) -> list[str]:
        return [str(cls.WAITING), str(cls.RUNNING)]


class Severity(TextChoices):
    """`error`: something is wrong with a record or a replica. `warning`: something is left over,
    or could not be checked.
    """

    ERROR = "error", "Error"
    WARNING = "warning", "Warning"


class IntegrityOutcome(TextChoices):
    """The outcome of an integrity check. `broken_off`: it did not finish."""

    PENDING = "pending", "Waiting"
    RUNNING = "running", "Running"
    OK = "ok", "OK"
    FINDINGS = "findings", "Findings"
    BROKEN_OFF = "broken_off", "Broken off"

    @classmethod
    def active(cls) -> list[str]:
        return [str(cls.PENDING), str(cls.RUNNING)]


class Protection(TextChoices):
    """The state of protection of a VM (`replication.selectors.protection`). The labels are the
    words of pages."""

    PROTECTED = "protected", "Protected"
    OVER_TARGET = "over_target", "Over target"
    NO_TARGET = "no_target", "No target"
    BROKEN = "broken", "Broken"
    UNPROTECTED = "unprotected", "Unprotected"


class LifeKind(TextChoices):
    """Which processes give signs of life. `tick`: the last run of the tick, whichever worker ran
    it."""

    WORKER = "worker", "Worker"
    BEAT = "beat", "Beat"
    TICK = "tick", "Tick"
    WEB = "web", "Web server"


class TroubleKind(TextChoices):
    """What can be dead."""

    WORKER = "worker_dead", "No worker"
    BEAT = "beat_dead", "No beat"
    TICK = "tick_late", "No tick"
    REDIS = "redis_dead", "Redis does not answer"
    VCENTER = "vcenter_away", "vCenter does not answer"
    REPOSITORY = "repository_away", "Repository cannot be used"
    SPACE = "space_short", "Space short"


class OccurrenceKind(TextChoices):
    """What people may have to be told of. Those of `TroubleKind` have the same names."""

    JOB_FAILED = "job_failed", "Replication failed"
    OVER_TARGET_EXPECTED = "over_target_expected", "VM soon over its target"
    OVER_TARGET = "over_target", "VM over its target"
    BROKEN = "broken", "VM broken"
    UNPROTECTED = "unprotected", "VM unprotected"
    RECOVERED = "recovered", "VM recovered"
    WORKER_DEAD = "worker_dead", "No worker"
    BEAT_DEAD = "beat_dead", "No beat"
    TICK_LATE = "tick_late", "No tick"
    REDIS_DEAD = "redis_dead", "Redis does not answer"
    VCENTER_AWAY = "vcenter_away", "vCenter does not answer"
    REPOSITORY_AWAY = "repository_away", "Repository cannot be used"
    SPACE_SHORT = "space_short", "Space short"
    TROUBLE_OVER = "trouble_over", "Trouble over"
    RETENTION_STUCK = "retention_stuck", "Removal stuck"
    POINT_DAMAGED = "point_damaged", "Recovery point damaged"
    TAKEN_BY_POLICY = "taken_by_policy", "Taken by a policy"
    GROUP_FAILED = "group_failed", "Group not replicated"
    GROUP_APART = "group_apart", "Group not consistent"
    GROUP_RECOVERED = "group_recovered", "Group consistent again"

    @property
    def is_good(self) -> bool:
        return self in (
            OccurrenceKind.RECOVERED,
            OccurrenceKind.TROUBLE_OVER,
            OccurrenceKind.GROUP_RECOVERED,
        )


class RPOKind(TextChoices):
    """When a policy wants replications."""

    NONE = "none", "No target"
    TARGET = "target", "Within a target"
    CALENDAR = "calendar", "By a calendar"


class RetentionKind(TextChoices):
    """Which recovery points a policy keeps."""

    ALL = "all", "All"
    RULES = "rules", "By rules"


class QuiesceWish(TextChoices):
    """Whether a policy wants the guest quiesced while its snapshot is taken."""

    WHEN_POSSIBLE = "when_possible", "When possible"
    NEVER = "never", "Never"
    REQUIRED = "required", "Required"


class PolicyPriority(TextChoices):
    LOW = "low", "Low"
    NORMAL = "normal", "Normal"
    HIGH = "high", "High"


class ScopeKind(TextChoices):
    """Where a policy applies, from everywhere to one VM."""

    INSTALLATION = "installation", "All VMs"
    VCENTER = "vcenter", "vCenter"
    FOLDER = "folder", "Folder"
    NAME = "name", "Name pattern"
    VM = "vm", "VM"
    OWN = "own", "The VM's own values"


class DueWhy(TextChoices):
    """Why a VM is due when it is."""

    FIRST = "first", "First replication"
    TARGET = "target", "To keep its target"
    CALENDAR = "calendar", "By its calendar"
    RETRY = "retry", "After a failure"
    COMPARE = "compare", "Comparison of all disks"


class PauseKind(TextChoices):
    ALL = "all", "All VMs"
    VCENTER = "vcenter", "vCenter"
    POLICY = "policy", "Policy"
    VM = "vm", "VM"


class BulkKind(TextChoices):
    """What is done with many VMs at once."""

    REPLICATE = "replicate", "Replicate"
    COPY_IN_FULL = "copy_in_full", "Copy in full"
    CANCEL = "cancel", "Cancel replications"
    POLICY = "policy", "Give a policy"
    REPOSITORY = "repository", "Move to a repository"
    PAUSE = "pause", "Pause"
    RESUME = "resume", "End pauses"
    REMOVE = "remove", "Remove from management"


class BulkState(TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    ENDED = "ended", "Ended"
    CANCELLED = "cancelled", "Cancelled"

    @classmethod
    def active(cls) -> list[str]:
        return [str(cls.WAITING), str(cls.RUNNING)]


class BulkItemState(TextChoices):
    """Of one VM of a bulk action. It stays `waiting` for ever if the action was cancelled first."""

    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    REFUSED = "refused", "Refused"


class GroupRunState(TextChoices):
    """Of a group's run. `gathering`: a worker prepares its VMs and takes their snapshots.
    `copying`: their jobs go on one by one."""

    WAITING = "waiting", "Waiting"
    GATHERING = "gathering", "Gathering"
    COPYING = "copying", "Copying"
    ENDED = "ended", "Ended"

    @classmethod
    def before_the_snapshots(cls) -> list[str]:
        return [str(cls.WAITING), str(cls.GATHERING)]


class GroupMemberState(TextChoices):
    """Of a VM in a group's run. The last three are how it ended: with a recovery point of the
    group, with one of another moment, or without one."""

    WAITING = "waiting", "Waiting"
    GOING = "going", "Going on"
    TOGETHER = "together", "Together"
    APART = "apart", "At another moment"
    MISSING = "missing", "Missing"

    @classmethod
    def open(cls) -> list[str]:
        return [str(cls.WAITING), str(cls.GOING)]


class TallyKind(TextChoices):
    """What is counted and timed for monitoring."""

    JOB = "job", "Ended job"
    CALL = "vcenter_call", "Call to a vCenter"
    OPEN = "nfc_open", "Disk opened over NFC"
    READ = "nfc_read", "Read over NFC"
