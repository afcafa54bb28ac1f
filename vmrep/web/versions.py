"""Cheap versions of what a page shows: a poll whose browser has the newest gets 204, no page.

A version is a few aggregates over what can change. It holds the counters beside the newest
`updated_at`, because on PostgreSQL a transaction that began earlier may commit later; and the
minute, because ages and RPOs grow while nothing happens.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from django.db.models import Count, Max, Sum
from django.utils import timezone

from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.states import DiscoveryStatus
from replication.audit.selectors import Integrity
from replication.models import JobStep, ReplicationJob
from replication.states import ACTIVE_JOB_STATUSES

ACTIVE_POLL_SECONDS = 2
IDLE_POLL_SECONDS = 15
_STEPS_WATCHED = 40


class Version(NamedTuple):
    """`token` changes when the page would; `poll_seconds` is how soon to ask again."""

    token: str
    poll_seconds: int


def of_replication() -> Version:
    """Of pages that show contexts and jobs."""
    contexts = VMContext.objects.aggregate(
        Count("pk"),
        Max("updated_at"),
        Sum("total_jobs_run"),
        Sum("successful_jobs"),
        Sum("failed_jobs"),
        Sum("cancelled_jobs"),
    )
    active = ReplicationJob.objects.filter(status__in=ACTIVE_JOB_STATUSES).aggregate(
        jobs=Count("pk"),
        changed=Max("updated_at"),
        done=Sum("bytes_transferred"),
        attempts=Sum("attempt"),
        cancels=Count("cancel_requested_at"),
    )
    steps = list(JobStep.objects.order_by("-id").values_list("id", "status")[:_STEPS_WATCHED])
    return _version(contexts, active, steps, active=bool(active["jobs"]))


def of_discovery(vcenter: VCenter | None) -> Version:
    """Of a page that shows what a vCenter's discovery saw."""
    if vcenter is None:
        return _version(VCenter.objects.count(), active=False)
    newest = (
        Discovery.objects.filter(vcenter=vcenter)
        .order_by("-id")
        .values("id", "status", "vms_seen", "vms_total", "updated_at")[:1]
    )
    discovery = newest.first()
    vms = DiscoveredVM.objects.filter(vcenter=vcenter).aggregate(Count("pk"), Max("seen_at"))
    contexts = VMContext.objects.filter(vcenter=vcenter).aggregate(Count("pk"), Max("updated_at"))
    running = discovery is not None and discovery["status"] in DiscoveryStatus.active()
    return _version(discovery, vms, contexts, active=running)


def of_integrity(state: Integrity) -> Version:
    """Of the page with the integrity check's result."""
    runs = [run and (run.pk, run.outcome) for run in state]
    return _version(runs, active=state.active is not None and not state.is_silent)


def _version(*facts: object, active: bool) -> Version:
    minute = timezone.now().replace(second=0, microsecond=0)
    digest = hashlib.blake2s(repr((minute, facts)).encode(), digest_size=8)
    return Version(digest.hexdigest(), ACTIVE_POLL_SECONDS if active else IDLE_POLL_SECONDS)
