"""Checks of the figures of a context that triggers maintain (replication/database/figures.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.db import models
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import RawSQL

from contexts.models import VMContext
from contexts.services import statuses
from replication.database.figures import CONTEXTS, FIGURES
from replication.integrity.findings import Code, Finding, Scope, check, in_words
from replication.integrity.recompute import ACTOR

_REMEDY = (
    "Lists show it and sort by it. --repair recomputes it from {rows}; `manage.py check --database"
    " default` tells whether the database has the triggers that maintain it."
)


def _code(name: str, rows: str) -> Code:
    return Code(name, _REMEDY.format(rows=rows), repairable=True)


NEWEST_POINT_DIFFERS = _code("newest_point_differs", "the VM's recovery points")
USABLE_POINT_DIFFERS = _code("usable_point_differs", "the VM's recovery points")
NEWEST_DAMAGE_DIFFERS = _code("newest_point_damage_differs", "the VM's newest recovery point")
NEWEST_REPOSITORY_DIFFERS = _code(
    "newest_point_repository_differs", "the VM's newest recovery point"
)
UNDECIDED_DISKS_DIFFER = _code("undecided_disks_differ", "the VM's disks")
DISK_COUNT_DIFFERS = _code("disk_count_differs", "the VM's disks")
CAPACITY_DIFFERS = _code("capacity_differs", "the VM's disks")
LAST_JOB_FAILED_DIFFERS = _code("last_job_failed_differs", "the VM's newest job")

_CODES = {
    "newest_recovery_point_at": NEWEST_POINT_DIFFERS,
    "usable_recovery_point_at": USABLE_POINT_DIFFERS,
    "newest_point_damaged": NEWEST_DAMAGE_DIFFERS,
    "newest_point_repository_id": NEWEST_REPOSITORY_DIFFERS,
    "undecided_disk_count": UNDECIDED_DISKS_DIFFER,
    "disk_count": DISK_COUNT_DIFFERS,
    "capacity_bytes": CAPACITY_DIFFERS,
    "last_job_failed": LAST_JOB_FAILED_DIFFERS,
}


@check(*_CODES.values(), mend=lambda finding: _mend(finding))
def figures_differ(scope: Scope) -> Iterator[Finding]:
    """One query, in which the database compares: only contexts with a wrong figure are read."""
    for row in _wrong(scope.within(VMContext.objects.order_by("pk"), "pk")).iterator():
        for name, code in _CODES.items():
            if row[name] != row[f"right_{name}"]:
                yield code.finding(
                    f"{name} is recorded as {row[name]}, but is {row[f'right_{name}']}.",
                    key=row["pk"],
                    context_id=row["pk"],
                    vm_name=row["vm_name"],
                )


def _wrong(contexts: QuerySet[VMContext]) -> QuerySet[VMContext, dict[str, Any]]:
    """With `right_<figure>` beside each figure, by the same words as the triggers compute it."""
    wrong = Q()
    for name in FIGURES:
        right = f"right_{name}"
        one_is_null = Q(**{f"{name}__isnull": True, f"{right}__isnull": False}) | Q(
            **{f"{name}__isnull": False, f"{right}__isnull": True}
        )
        wrong |= one_is_null | ~Q(**{name: F(right)})
    rights = {
        f"right_{name}": RawSQL(  # noqa: S611
            sql.format(context=f"{CONTEXTS}.context_id"),
            [],
            output_field=_column(name).clone(),
        )
        for name, sql in FIGURES.items()
    }
    return contexts.values("pk", "vm_name", *FIGURES).annotate(**rights).filter(wrong)


def _column(name: str) -> models.Field[Any, Any]:
    return cast("models.Field[Any, Any]", VMContext._meta.get_field(name))


def _mend(finding: Finding) -> str:
    return put_right(finding.context_id, finding.code)


def put_right(context_id: str, code: str) -> str:
    """All figures of the (locked) context; what was done, empty when all were right."""
    context = VMContext.objects.get(pk=context_id)
    row = _wrong(VMContext.objects.filter(pk=context.pk)).first()
    if row is None:
        return ""
    rights = {name: row[f"right_{name}"] for name in FIGURES if row[name] != row[f"right_{name}"]}
    said = ", ".join(f"{name} from {row[name]} to {right}" for name, right in rights.items())
    statuses.settle(context, columns=rights, actor=ACTOR, why=f"{in_words(code)}: set {said}")
    return f"Set {said}."
