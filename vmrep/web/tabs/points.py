"""The tab of recovery points: a timeline by days, a page at a time."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.core.paginator import Paginator

from contexts.models import VMContext
from replication.retention.verdicts import in_effect
from replication.selectors.points import recovery_points
from replication.storage import looks

PER_PAGE = 50


def load(context: VMContext, page: str | None) -> dict[str, Any]:
    """`days` are pairs of a day and its points, newest first, each with why its repository cannot
    be read now, and with retention's verdict; `problems` says the former once per repository."""
    pages = Paginator(recovery_points(context, limit=None), PER_PAGE)
    shown = pages.get_page(page)
    points = list(shown.object_list)
    repositories = {point.repository_id: point.repository for point in points}
    states = looks.look_at_all(list(repositories.values()))
    problems = {pk: it.problem for pk, it in zip(repositories, states, strict=True)}
    said = in_effect(context).by_point
    by_day = groupby(points, key=lambda point: point.consistent_at.date())
    return {
        "days": [
            (day, [(point, problems[point.repository_id], said.get(point.pk)) for point in of_day])
            for day, of_day in by_day
        ],
        "point_page": shown,
        "problems": [(repositories[pk], problem) for pk, problem in problems.items() if problem],
    }
