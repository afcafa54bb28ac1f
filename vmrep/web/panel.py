"""The context panel: what it shows of one VM, tab by tab, each with its own few queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import QuerySet

from contexts import selectors as context_selectors
from contexts.clock import about_now
from contexts.models import VMContext
from contexts.vsphere.specs import SPEC_FIELDS
from replication.models import ReplicationJob, VMSnapshot
from replication.policies import effective
from replication.policies.choices import TARGET_WORDS
from replication.selectors import health
from replication.selectors.contexts import disks_of
from replication.selectors.damages import why_broken
from replication.selectors.groups import group_of
from replication.selectors.jobs import current_job
from replication.selectors.pauses import pause_of
from replication.selectors.protection import Protection
from replication.selectors.replica import snapshots_left
from replication.selectors.schedules import (
    breach_expected,
    next_run,
    schedule_of,
    whether_kept,
)
from replication.selectors.telemetry import throughput_of
from vmrep.trail.models import Event
from vmrep.web.next_action import next_action, situation
from vmrep.web.tabs import changes, history, points, policy, rpo
from vmrep.web.throughput import throughput

if TYPE_CHECKING:
    from replication.selectors.contexts import ContextInList

GROUPS = {
    "hardware": "Hardware",
    "guest": "Guest",
    "state": "State",
    "protection": "Change tracking and snapshots",
    "location": "Location",
    "identity": "Identity",
}


class Tab(NamedTuple):
    key: str
    label: str
    load: Callable[[VMContext, ReplicationJob | None, Mapping[str, str]], dict[str, Any]]

    @property
    def template(self) -> str:
        return f"virtual_machines/tabs/{self.key}.html"


def _overview(context: VMContext) -> dict[str, Any]:
    groups: dict[str, list[Any]] = {label: [] for label in GROUPS.values()}
    for spec in SPEC_FIELDS:
        groups[GROUPS[spec.group]].append((spec, getattr(context, spec.name)))
    seen = context_selectors.as_seen(context)
    return {
        "groups": groups,
        "events": context_selectors.events_of(context, limit=5),
        "notices": seen.notices,
        "untold_places": seen.untold_places,
    }


TABS = (
    Tab("overview", "Overview", lambda context, *_: _overview(context)),
    Tab("jobs", "Jobs", lambda context, job, _: history.load(context, job)),
    Tab("disks", "Disks", lambda context, *_: {"disks": disks_of(context)}),
    Tab(
        "network",
        "Network",
        lambda context, *_: {"adapters": context_selectors.networks_of(context)},
    ),
    Tab("cbt", "CBT", lambda context, *_: changes.load(context)),
    Tab("rpo", "RPO", lambda context, *_: rpo.load(context)),
    Tab("policy", "Policy", lambda context, *_: policy.load(context)),
    Tab(
        "points",
        "Points",
        lambda context, _, query: points.load(context, query.get("points")),
    ),
    AUDIT := Tab("audit", "Audit", lambda *_: {}),
)
EVENTS_SHOWN = 20


def describe(
    context: ContextInList, query: Mapping[str, str], trail: QuerySet[Event] | None = None
) -> dict[str, Any]:
    """Everything that the panel's template needs about a context of `contexts_in_detail`; `query`
    is the address's, with the tab. `trail`: what the user sees of the audit trail; None: nothing,
    and no tab."""
    tabs = [tab for tab in TABS if trail is not None or tab != AUDIT]
    tab = next((tab for tab in tabs if tab.key == query.get("tab")), tabs[0])
    told = []
    if trail is not None and tab == AUDIT:
        told = list(trail.filter(vm_context_id=context.pk)[:EVENTS_SHOWN])
    job = current_job(context)
    broken = why_broken(context) if context.protection == Protection.BROKEN else None
    nobody_works = health.what_is_missing(health.COPIES, about_now()) if job else ""
    return {
        "vm": context,
        "job": job,
        "throughput": throughput(job, throughput_of(job)) if job else None,
        "broken": broken,
        "next": next_action(situation(context, job, broken, nobody_works)),
        "nobody_works": nobody_works,
        "targets": TARGET_WORDS,
        "target": (target := effective.target_of(context)),
        "seen_target": target.seen(context),
        "next_run": next_run(context),
        "is_scheduled": schedule_of(context) is not None or not context.is_managed,
        "foretold": breach_expected(context, about_now()),
        "verdict": whether_kept(context) if context.is_managed else None,
        "group": group_of(context),
        "pause": pause_of(context) if context.is_managed else None,
        "present": about_now(),
        "left_snapshots": _left_snapshots(context),
        "tabs": tabs,
        "tab": tab,
        "trail": told,
        **tab.load(context, job, query),
    }


def _left_snapshots(context: VMContext) -> list[VMSnapshot]:
    """vmrep's snapshots that ended jobs left on the VM."""
    return list(snapshots_left(context).exclude(job=context.current_job_id).order_by("id"))
