"""Runs of groups in words."""

from __future__ import annotations

from django import template

from contexts.text import plural
from replication.selectors.groups import RunShown
from replication.states import GroupRunState

register = template.Library()

_UNDER_WAY = {
    GroupRunState.WAITING: "Waiting for a worker",
    GroupRunState.GATHERING: "Its VMs are being prepared",
    GroupRunState.COPYING: "Its VMs are being copied",
}


@register.filter
def run_words(it: RunShown) -> str:
    """3 of 3 VMs together, 0.4 s apart"""
    run = it.run
    apart = "" if run.spread_seconds is None else f", {run.spread_seconds:,.1f} s apart"
    if it.is_active:
        return f"{_UNDER_WAY[GroupRunState(run.state)]}{apart and f'; snapshots{apart[1:]}'}"
    if not it.together:
        return f"None of {plural(len(it.members), 'VM')} together"
    words = f"{it.together} of {plural(len(it.members), 'VM')} together{apart}"
    gone = it.together - it.points
    return f"{words}; {plural(gone, 'recovery point')} gone since" if gone else words


@register.filter
def run_tone(it: RunShown) -> str:
    if it.is_active:
        return "active"
    return "good" if it.is_whole else "warn"


@register.filter
def run_icon(it: RunShown) -> str:
    if it.is_active:
        return "progress"
    return "circle-check" if it.is_whole else "alert-triangle"
