"""The context panel: what it shows of one VM, tab by tab, each with its own few queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.http import Http404

from contexts import selectors as context_selectors
from contexts.errors import UnknownVM
from contexts.models import VMContext
from contexts.vsphere.specs import SPEC_FIELDS
from replication import selectors

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
    load: Callable[[VMContext], dict[str, Any]]

    @property
    def template(self) -> str:
        return f"virtual_machines/tabs/{self.key}.html"


def _overview(context: VMContext) -> dict[str, Any]:
    groups: dict[str, list[Any]] = {label: [] for label in GROUPS.values()}
    for spec in SPEC_FIELDS:
        groups[GROUPS[spec.group]].append((spec, getattr(context, spec.name)))
    return {"groups": groups, "events": context_selectors.events_of(context, limit=5)}


TABS = (
    Tab("overview", "Overview", _overview),
    Tab("jobs", "Jobs", lambda context: {"jobs": selectors.job_history(context)}),
    Tab("disks", "Disks", lambda context: {"disks": selectors.disks_of(context)}),
    Tab(
        "network",
        "Network",
        lambda context: {"adapters": context_selectors.networks_of(context)},
    ),
    Tab("cbt", "CBT", lambda context: {"history": selectors.cbt_history(context)}),
    Tab(
        "points",
        "Recovery points",
        lambda context: {"points": selectors.recovery_points(context)},
    ),
)


def of(context_id: str, tab_key: str | None, now: datetime) -> dict[str, Any]:
    """Everything that the panel's template needs. Raises Http404 for a context that is not."""
    try:
        context = selectors.context_detail(context_id, now)
    except UnknownVM as problem:
        raise Http404(str(problem)) from problem
    tab = next((tab for tab in TABS if tab.key == tab_key), TABS[0])
    return {
        "vm": context,
        "job": selectors.current_job(context),
        "tabs": TABS,
        "tab": tab,
        **tab.load(context),
    }
