"""How a copy is damaged, and the register of the ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from contexts.models import VMContext
from replication.database import events
from replication.models import (
    ContextLease,
    ReplicationJob,
)
from tests.integrity.conftest import Copy

Damage = Callable[[Copy], object]
DAMAGES: dict[str, Damage] = {}
"""By code."""
BROKEN: dict[str, Damage] = {}
"""By the rule that is broken, or the column that points at nothing: for the generic check alone."""
POINTS_DIFFER = ("newest_point_differs", "usable_point_differs")
LAST_POINT_GONE = (*POINTS_DIFFER, "newest_point_repository_differs", "status_differs")
# What follows from a damage beside the finding that it is for. (A lawless copy has no triggers:
# figures of a context stay what they were.)
ALSO: dict[str, set[str]] = {}
LONG_AGO = timedelta(days=2)


def damage(code: str, *also: str) -> Callable[[Damage], Damage]:
    def register(do: Damage) -> Damage:
        DAMAGES[code], ALSO[code] = do, set(also)
        return do

    return register


def breaks(rule: str, *also: str) -> Callable[[Damage], Damage]:
    def register(do: Damage) -> Damage:
        BROKEN[rule], ALSO[rule] = do, set(also)
        return do

    return register


def change(row: Any, **columns: Any) -> None:
    """As somebody does who writes to the database past vmrep."""
    type(row).objects.filter(pk=row.pk).update(**columns)


def remove(rows: Any) -> None:
    rows._raw_delete(rows.db)


@contextmanager
def events_by_force() -> Iterator[None]:
    """Within, anybody may change and remove the events of VMs."""
    events.GUARD.remove(connection)
    yield
    events.GUARD.install(connection)


def again(row: Any, **columns: Any) -> Any:
    """The same row once more under another key."""
    values = {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if not field.primary_key and not field.generated
    }
    return type(row).objects.create(**values | columns)


def newest_job(context: VMContext) -> ReplicationJob:
    return context.jobs.filter(status="completed").latest("created_at")


def oldest_job(context: VMContext) -> ReplicationJob:
    return context.jobs.filter(status="completed").earliest("created_at")


def active_job(context: VMContext, name: str) -> ReplicationJob:
    return again(newest_job(context), id=name, status="pending", completed_at=None)


def left_lease(context: VMContext, **columns: Any) -> None:
    past = timezone.now() - LONG_AGO
    ContextLease.objects.create(
        vm_context=context, holder="host:1", acquired_at=past, expires_at=past, **columns
    )
