"""What policies say, for pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contexts.text import plural
from replication.models import Policy, PolicyScope
from replication.policies import telling
from replication.policies.effective import place_of
from replication.policies.preview import Load
from replication.policies.values import GROUPS, says
from vmrep.web.formats import binary

register = template.Library()


@register.filter
def place(scope: PolicyScope) -> str:
    return place_of(scope)


@register.simple_tag
def said(policy: Policy, group: str) -> SafeString | str:
    """What a policy says of a group of values."""
    values: dict[str, Any] = {column: getattr(policy, column) for column in GROUPS[group]}
    if not says(group, values):
        return format_html('<span class="tone-muted">{}</span>', "left open")
    return telling.group(group, values)


@register.filter
def per_hour(jobs: float) -> str:
    """3 an hour, 1.5 a day"""
    count, span = (jobs, "an hour") if jobs >= 1 or not jobs else (jobs * 24, "a day")
    shown = f"{count:,.0f}" if count >= 10 else f"{count:.1f}".removesuffix(".0")
    return f"{shown} {span}"


@register.filter
def points_kept(load: Load) -> str:
    if load.most_points is None:
        return "all"
    told = f"at most {plural(load.most_points, 'recovery point')}"
    return f"{told}, about {binary(load.point_bytes)}" if load.point_bytes else told
