"""What the run for real does in vmrep, through the services that pages and API use, and what it
looks at in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from contexts.clock import database_now
from contexts.models import VMContext
from replication.engine.compare import compare_image_with_raw
from replication.models import (
    ProtectionSpell,
    RecoveryPoint,
    ReplicationJob,
    VMSnapshot,
)
from replication.policies import services
from replication.policies.services import Where
from replication.selectors import protection
from replication.selectors.replica import layers_of
from replication.services import pauses
from replication.services.pauses import Subject
from replication.states import (
    ACTIVE_JOB_STATUSES,
    PauseKind,
    Protection,
    RecoveryPointState,
    ScopeKind,
    SnapshotState,
)
from replication.storage.targets import target
from vmrep.demo import estate
from vmrep.demo.integrity import problems
from vmrep.lab.control.client import LabControl
from vmrep.local.programs import LAB_USER

ACTOR = "bench"
MOST_TOLD = 20


class Acts:
    def __init__(self, lab_port: int, password: str, control: str, repository: Path) -> None:
        self._lab = estate.LabAddress(lab_port, LAB_USER, password)
        self._control = LabControl(control)
        self._repository = repository

    def take(self, target_seconds: int) -> None:
        """All VMs of the lab, by a policy of its vCenter."""
        self._control.keep_snapshots()
        vcenter = estate.vcenter(self._lab)
        found = estate.discover(vcenter)
        policy = services.add("Bench", services.target(target_seconds), actor=ACTOR)
        services.assign(policy, Where(ScopeKind.VCENTER, vcenter=vcenter), actor=ACTOR)
        estate.take(found, estate.repository(self._repository))
        self._control.reset_meters()

    def state(self) -> str:
        counts = protection.counts(VMContext.objects.all(), protection.terms(database_now()))
        told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        return f"{told}; {RecoveryPoint.objects.count()} recovery points"

    def pause(self) -> None:
        self._paused_at = database_now()
        pauses.pause(Subject(PauseKind.ALL), until=None, reason="The end", actor=ACTOR)

    def is_at_rest(self) -> bool:
        """No job is active that has begun, and no snapshot is left to remove."""
        active = ReplicationJob.objects.filter(
            status__in=ACTIVE_JOB_STATUSES, started_at__isnull=False
        )
        left = VMSnapshot.objects.exclude(state=SnapshotState.REMOVED)
        return not active.exists() and not left.exists()

    def result(self, target_seconds: int) -> dict[str, Any]:
        ages = list(self._ages())
        worst = max((age for age, _ in ages), default=timedelta(0)).total_seconds()
        over = [name for age, name in ages if age.total_seconds() > target_seconds]
        spells = Counter(ProtectionSpell.objects.values_list("state", flat=True))
        compared, differing = self._compare()
        told = [
            *(f"{name} was over its target" for name in over),
            *(f"{spells[state]} spells of {state}" for state in _BAD if spells[state]),
            *(f"{name} has no recovery point" for name in self._without_point()),
            *differing,
            *(f"a snapshot is left at {name}" for name in self._with_snapshot()),
            *problems(),
        ]
        jobs = ReplicationJob.objects.all()
        return {
            "problems": told[:MOST_TOLD],
            "problems_in_all": len(told),
            "worst_age_seconds": round(worst),
            "spells": dict(spells),
            "points": RecoveryPoint.objects.count(),
            "points_compared": compared,
            "jobs": dict(Counter(jobs.values_list("status", flat=True))),
            "attempts_more_than_one": jobs.filter(attempt__gt=1).count(),
            "most_sessions": self._control.sessions_at_once(),
            "most_snapshots": self._control.snapshots_at_once(),
        }

    def _ages(self) -> Iterator[tuple[timedelta, str]]:
        """How old each recovery point became until there was a newer one: from the points alone,
        whatever the tick saw."""
        points = RecoveryPoint.objects.order_by("vm_context", "consistent_at", "id")
        rows = points.values_list(
            "vm_context", "vm_context__vm_name", "consistent_at", "job__completed_at"
        )
        vms = groupby(rows, key=lambda row: row[0])
        for _, of_one in vms:
            mine = list(of_one)
            ends = [completed_at for *_, completed_at in mine[1:]]
            for (_, name, consistent_at, _), end in zip(
                mine, [*ends, self._paused_at], strict=True
            ):
                if end is not None:
                    yield end - consistent_at, str(name)

    @staticmethod
    def _without_point() -> list[str]:
        without = VMContext.objects.filter(newest_recovery_point_at__isnull=True)
        return [str(name) for name in without.values_list("vm_name", flat=True)]

    def _with_snapshot(self) -> list[str]:
        return [vm["name"] for vm in self._control.list_vms() if vm["snapshots"]]

    def _compare(self) -> tuple[int, list[str]]:
        """Every recovery point with what the lab kept of its snapshot."""
        compared, differing = 0, []
        points = RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE)
        for point in points.order_by("pk").iterator():
            snapshot = VMSnapshot.objects.exclude(moref="").filter(job=point.job_id).latest("id")
            storage = target(point.repository)
            for image in point.images.select_related("disk"):
                expected = self._control.kept_content(snapshot.moref, image.disk.device_key)
                with storage.open_readonly(layers_of(image)) as replica:
                    difference = compare_image_with_raw(replica, expected)
                if difference is not None:
                    where = f"{point.vm_context_id}, point {point.pk}, {image.disk.disk_id}"
                    differing.append(f"{where} differs at byte {difference}")
            compared += 1
        return compared, differing


_BAD = (Protection.OVER_TARGET, Protection.BROKEN)
