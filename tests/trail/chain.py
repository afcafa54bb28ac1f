"""A trail to attack: events written as services write them, and what a verification says."""

from __future__ import annotations

from django.db import connection, transaction

from contexts import trail
from contexts.trail import Kind, Verb
from vmrep.trail import triggers
from vmrep.trail.models import Event
from vmrep.trail.verify import verify


def write(count: int = 1) -> None:
    """So many acts, each in a transaction of its own."""
    for number in range(count):
        with transaction.atomic(), trail.gathered():
            about = trail.subject(Kind.GROUP, number, f"group {number}")
            trail.tell(Verb.ADD, about, actor="ops", new={"name": f"group {number}"})


def faults() -> list[str]:
    return [fault.what for fault in verify().faults]


def numbers() -> list[int]:
    return list(Event.objects.order_by("number").values_list("number", flat=True))


def by_force(*statements: str) -> None:
    """What somebody does who has the database's own account: without the triggers."""
    triggers.remove(connection)
    try:
        execute(*statements)
    finally:
        triggers.install(connection)


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
