"""Cheap versions of what a page shows: if a poll's browser has the newest, it gets 204, not a page.

A version is a fingerprint of facts, each a few rows by an index, however many rows there are. A
page is also never older than `OLDEST_PAGE`: ages and RPOs grow while nothing happens.

Why not just the newest `updated_at`: on PostgreSQL a transaction that began earlier may commit
later, with an older time. So a fact is not the newest row but the newest `WATCHED` ones: what
commits late is still among them. (It would be missed only if more than that many others overtook
it and then nothing happened; the page's age ends that, too.)

Whoever adds a table to a page adds its fact here; `tests/web/test_versions.py` checks every table.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from threading import Lock
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Aggregate, Count, Max, Min, Model, Q, QuerySet, Sum, Value

from contexts.clock import about_now
from contexts.compiled import Prepared
from contexts.models import (
    ContextEvent,
    DiscoveredVM,
    Discovery,
    VCenter,
    VMContext,
    VMDisk,
    VMNetworkAdapter,
)
from replication.models import (
    BulkAction,
    CBTHistory,
    DiskImage,
    GroupRun,
    Installation,
    IntegrityRun,
    JobLogLine,
    JobSample,
    JobStep,
    Occurrence,
    RecoveryPoint,
    RecoveryPointHold,
    ReplicationJob,
    Repository,
    VMGroup,
    VMSnapshot,
)
from replication.selectors import protection
from replication.selectors.health import Health
from replication.selectors.usage import Reading, Use
from replication.states import (
    ACTIVE_JOB_STATUSES,
    JobStatus,
    RecoveryPointState,
    SnapshotState,
    StepStatus,
)
from vmrep.notifications.models import Channel, Delivery, Rule, RuleKind
from vmrep.trail.models import Head

# An event must be visible within 3 seconds: the pace, and how long a process may keep its facts.
POLL_SECONDS = 2
STATUS_POLL_SECONDS = 4  # with health.DEAD_AFTER, a death is shown within 30
FRESH_SECONDS = 0.5
OLDEST_PAGE = timedelta(minutes=1)
WATCHED = 64


class Version(NamedTuple):
    """`facts` is their fingerprint; `made_at` is when the page is made, in seconds."""

    facts: str
    made_at: int
    poll_seconds: int = POLL_SECONDS

    @property
    def token(self) -> str:
        """What the browser sends to say which version it shows."""
        return f"{self.facts}.{self.made_at}"

    def is_shown_by(self, token: str) -> bool:
        """Whether a page with this token is still up to date."""
        facts, _, made_at = token.partition(".")
        if facts != self.facts or not (made_at.isascii() and made_at.isdigit()):
            return False
        return 0 <= self.made_at - int(made_at[:12]) < OLDEST_PAGE.total_seconds()


def of_replication() -> Version:
    """The version of pages that show contexts and jobs, with all that belongs to them."""
    return _version(_replication.fingerprint())


def of_discovery(vcenter: VCenter | None) -> Version:
    """The version of a page that shows what a vCenter's discovery saw; None: the vCenters."""
    return _version(f"{_discovery.fingerprint()}-{vcenter.pk if vcenter else 0}")


def facts_of_totals() -> str:
    """A fingerprint of the source data of numbers over all VMs, without any job's progress."""
    return _totals.fingerprint()


def of_integrity() -> Version:
    """The version of the page with the integrity check's result."""
    return _version(_integrity.fingerprint())


def of_events() -> Version:
    """The version of the pages of what happened."""
    return _version(_events.fingerprint())


def of_audit() -> Version:
    """The version of the audit trail's page: its head moves with each event."""
    return _version(_audit.fingerprint())


def of_bulk() -> Version:
    """The version of the pages of bulk actions, which change with each VM that is done."""
    return _version(_bulk.fingerprint())


def of_groups() -> Version:
    """The version of a group's page, with its VMs and runs."""
    return _version(_groups.fingerprint())


def of_notifications() -> Version:
    """The version of the page with channels, rules and the last deliveries."""
    return _version(_notifications.fingerprint())


def of_status(health: Health) -> Version:
    """The version of what every page shows of its own accord: the banner, and the marks in the top
    bar. It depends on the clock, so it is made of what there is to tell."""
    told = [(trouble.kind, trouble.subject, trouble.what) for trouble in health.troubles]
    facts = _fingerprint([told, _integrity.fingerprint()])
    return _version(facts)._replace(poll_seconds=STATUS_POLL_SECONDS)


def of_health(health: Health) -> Version:
    """The version of the page that shows each process."""
    seen = [
        (process.state, process.sign.pk, process.sign.queues, process.sign.seen_at)
        for process in health.processes
    ]
    return _version(
        _fingerprint([seen, health.vcenters, health.repositories, health.redis, health.troubles])
    )


def of_limits(uses: Sequence[Use], reading: Sequence[Reading]) -> Version:
    """The version of the page of limits, which is made of little."""
    windows = [[window.pk for window in row.windows] for row in reading]
    rates = [row._replace(windows=()) for row in reading]
    return _version(_fingerprint([list(uses), rates, windows]))


def _fingerprint(facts: list[Any]) -> str:
    """With a key: facts are of all VMs, and whoever sees some could guess the rest by trying."""
    key = hashlib.blake2s(settings.SECRET_KEY.encode(), person=b"version").digest()
    return hashlib.blake2s(repr(facts).encode(), digest_size=8, key=key).hexdigest()


def _version(facts: str) -> Version:
    return Version(facts, int(about_now().timestamp()))


class Facts:
    """Facts that this process reads at most every FRESH_SECONDS, and only if anything changed."""

    def __init__(self, *reads: Callable[[], Any]) -> None:
        self._reads = reads
        self._lock = Lock()
        self._read_at = float("-inf")
        self._gate: str | None = None
        self._fingerprint = ""

    def fingerprint(self) -> str:
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_SECONDS:
                self._look()
            return self._fingerprint

    def _look(self) -> None:
        read_at, gate = time.monotonic(), _gate()
        if gate is None or gate != self._gate:
            self._fingerprint = _fingerprint([read() for read in self._reads])
        self._read_at, self._gate = read_at, gate


def _gate() -> str | None:
    """Two equal snapshots of PostgreSQL see the same rows in every table. None: unknown."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        return str(cursor.fetchone()[0])


def _newest(rows: Callable[[], QuerySet[Any]], by: str, *columns: str) -> Callable[[], Any]:
    return Prepared(
        lambda: rows().order_by(f"-{by}", "-pk").values_list("pk", *columns)[:WATCHED]
    ).all


def _newest_changes(model: type[Model]) -> Callable[[], Any]:
    """For a table whose every change sets `updated_at`, by the index on it."""
    return _newest(model._default_manager.all, "updated_at", "updated_at")


def _newest_rows(model: type[Model], *columns: str) -> Callable[[], Any]:
    """For a table that only grows, or in which only the newest rows change."""
    return _newest(model._default_manager.all, "pk", *columns)


def _all_rows(model: type[Model], *columns: str) -> Callable[[], Any]:
    """For a table with a handful of rows."""
    return Prepared(lambda: model._default_manager.order_by("pk").values_list("pk", *columns)).all


def _summary(rows: Callable[[], QuerySet[Any]], *figures: Aggregate) -> Callable[[], Any]:
    """Figures over all these rows."""
    named = {f"figure_{number}": figure for number, figure in enumerate(figures)}
    # One constant makes one group of all of them.
    return Prepared(
        lambda: rows().order_by().values(all=Value(1)).annotate(**named).values_list(*named)
    ).all


# The last jobs that ended; and the oldest job, which is the first of the old to be deleted.
_ENDED_JOBS = (
    _newest(
        lambda: ReplicationJob.objects.filter(completed_at__isnull=False), "completed_at", "status"
    ),
    _summary(ReplicationJob.objects.all, Min("created_at")),
)
# What they have done so far: `updated_at`, which changes every second, has no index here.
_ACTIVE_JOBS = _summary(
    lambda: ReplicationJob.objects.filter(status__in=ACTIVE_JOB_STATUSES),
    Count("pk"),
    Count("pk", filter=Q(status=JobStatus.RUNNING)),
    Max("updated_at"),
    Sum("bytes_transferred"),
    Sum("total_bytes"),
    Sum("attempt"),
    Count("cancel_requested_at"),
)
# The newest steps, and all that run: during a long step, many others may begin.
_STEPS = (
    _newest_rows(JobStep, "status", "completed_at"),
    _summary(lambda: JobStep.objects.filter(status=StepStatus.RUNNING), Count("pk"), Sum("pk")),
)


def _points(**which: object) -> Callable[[], Any]:
    return _summary(lambda: RecoveryPoint.objects.filter(**which), Count("pk"), Sum("pk"))


_RECOVERY_POINTS = (
    _summary(lambda: RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE), Count("pk")),
    _points(state__in=[RecoveryPointState.WRITING, RecoveryPointState.EXPIRING]),
    _points(damaged_at__isnull=False),
)
# Those that exist, or are meant to, with what is wrong with them.
_SNAPSHOTS = _newest(
    lambda: VMSnapshot.objects.exclude(state=SnapshotState.REMOVED), "pk", "state", "updated_at"
)


def _seen_vms(column: str) -> Iterator[Callable[[], Any]]:
    def rows() -> QuerySet[DiscoveredVM]:
        return DiscoveredVM.objects.filter(**{f"{column}__isnull": False})

    yield _newest(rows, column, column)
    yield _summary(rows, Count("pk"))


# The discoveries tell what they changed; these are what jobs and people change in a VM.
_SEEN_VMS = (
    *_seen_vms("gone_at"),
    *_seen_vms("unreadable_since"),
    *_seen_vms("identity_rejected_at"),
)

_integrity = Facts(_newest_rows(IntegrityRun, "outcome", "finding_count", "started_at"))
_events = Facts(_newest_rows(ContextEvent), _newest_rows(Occurrence))
_audit = Facts(_all_rows(Head, "number"))
_bulk = Facts(_newest_changes(BulkAction))
_notifications = Facts(
    _all_rows(Channel, "updated_at", "last_ok_at", "last_problem"),
    _all_rows(
        Rule, "channel", "scope", "vcenter", "policy", "vm_context", "even_when_quiet", "enabled"
    ),
    _all_rows(RuleKind, "kind"),
    _newest_rows(Delivery, "state", "attempts", "next_attempt_at", "answer"),
)
_ON_EVERY_PAGE = (_integrity.fingerprint, _all_rows(VCenter, "updated_at"))
_totals = Facts(
    _all_rows(Repository, "updated_at"),
    _all_rows(Installation, "updated_at"),
    protection.away_repositories,
    _newest_changes(VMContext),
    *_ENDED_JOBS,
    *_RECOVERY_POINTS,
)
_SHARED = (
    *_ON_EVERY_PAGE,
    _newest_rows(Discovery, "status", "vms_seen", "vms_total", "updated_at"),
    *_SEEN_VMS,
    _newest_rows(ContextEvent),
)
_discovery = Facts(*_SHARED, _totals.fingerprint)
_replication = Facts(
    *_SHARED,
    _totals.fingerprint,
    _ACTIVE_JOBS,
    *_STEPS,
    _SNAPSHOTS,
    _newest_changes(VMDisk),
    _newest_changes(VMNetworkAdapter),
    _newest_rows(DiskImage, "state", "transferred_bytes"),
    _newest_rows(RecoveryPointHold),
    _newest_rows(CBTHistory),
    _newest_rows(JobSample),
    _newest_rows(JobLogLine),
)
_groups = Facts(
    _replication.fingerprint,
    _newest_rows(VMGroup, "updated_at"),
    _newest_rows(GroupRun, "state", "updated_at"),
)
