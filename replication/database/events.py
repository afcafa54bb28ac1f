"""What keeps the events of VMs as they were written, whoever writes to the database: none is
changed or removed, each follows the newest one of its VM or is refused, and the VM's head moves
with it.

They go with their context, which is why the database removes them then, and nothing before. A job
that is deleted lets go of its events, which still name it; and keys that are rotated seal the
newest event of each VM anew. `manage.py check --database default` says when a trigger is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections, transaction
from django.db.models import F

from contexts import trail
from contexts.chain import BEGINNING
from contexts.models import ContextEvent, ContextEventHead, VMContext
from contexts.services import events
from contexts.trail import Verb
from replication.database.guards import Guard, Trigger

EVENTS, HEADS, CONTEXTS = "context_events", "context_event_heads", "vm_replication_contexts"
LOST = "The head of the VM's events was missing: its newest events may be missing as well."

_IS_THERE = f"EXISTS (SELECT 1 FROM {CONTEXTS} WHERE context_id = OLD.vm_context_id)"  # noqa: S608
_KEPT = (
    *("id", "vm_context_id", "number", "told_job_id", "actor", "old", "new", "why", "created_at"),
    "digest",
)
_LETS_GO_OF_ITS_JOB_AT_MOST = (
    "COALESCE(NEW.job_id, COALESCE(OLD.job_id, '')) = COALESCE(OLD.job_id, '')"
)
_STAYS = " AND ".join(f"NEW.{column} = OLD.{column}" for column in _KEPT)
_FOLLOWS = (
    f"EXISTS (SELECT 1 FROM {HEADS} WHERE vm_context_id = NEW.vm_context_id"  # noqa: S608
    " AND number = NEW.number - 1)"
)
_ADVANCE = (
    f"UPDATE {HEADS} SET number = NEW.number, digest = NEW.digest"  # noqa: S608
    " WHERE vm_context_id = NEW.vm_context_id AND number = NEW.number - 1"
)
_MOVES = (
    "NEW.vm_context_id = OLD.vm_context_id AND NEW.number = OLD.number + 1"  # noqa: S608
    f" AND EXISTS (SELECT 1 FROM {EVENTS} WHERE vm_context_id = NEW.vm_context_id"
    " AND number = NEW.number AND digest = NEW.digest)"
)
_BEGINS = (
    f"NEW.number = 0 AND NEW.digest = '{BEGINNING}'"  # noqa: S608
    f" AND NOT EXISTS (SELECT 1 FROM {EVENTS} WHERE vm_context_id = NEW.vm_context_id)"
)

GUARD = Guard(
    (EVENTS, HEADS, CONTEXTS),
    {
        "context_event_is_kept": Trigger("BEFORE DELETE", EVENTS, _IS_THERE),
        "context_event_is_never_changed": Trigger(
            "BEFORE UPDATE", EVENTS, f"NOT ({_STAYS} AND {_LETS_GO_OF_ITS_JOB_AT_MOST})"
        ),
        "context_event_follows_the_head": Trigger(
            "AFTER INSERT", EVENTS, f"NOT {_FOLLOWS}", (_ADVANCE,)
        ),
        "context_event_head_is_kept": Trigger("BEFORE DELETE", HEADS, _IS_THERE),
        "context_event_head_begins": Trigger("BEFORE INSERT", HEADS, f"NOT ({_BEGINS})"),
        "context_event_head_moves_with_events": Trigger("BEFORE UPDATE", HEADS, f"NOT ({_MOVES})"),
        "context_has_a_head": Trigger(
            "AFTER INSERT",
            CONTEXTS,
            then=(
                f"INSERT INTO {HEADS} (vm_context_id, number, digest)"  # noqa: S608
                f" VALUES (NEW.context_id, 0, '{BEGINNING}')",
            ),
        ),
        "context_takes_its_events_along": Trigger(
            "AFTER DELETE",
            CONTEXTS,
            then=(
                f"DELETE FROM {EVENTS} WHERE vm_context_id = OLD.context_id",  # noqa: S608
                f"DELETE FROM {HEADS} WHERE vm_context_id = OLD.context_id",  # noqa: S608
            ),
        ),
    },
    {"context_events_are_kept": EVENTS, "context_event_heads_are_kept": HEADS},
)


def install_after_migrations(using: str, **signal: Any) -> None:
    """`post_migrate`, also after `flush`."""
    connection = connections[using]
    if not GUARD.has_tables(connection):
        return
    if VMContext.objects.filter(event_head=None).exists():
        GUARD.remove(connection)
        _make_lost_heads()
    if GUARD.missing(connection):
        GUARD.install(connection)
        _catch_up()


def _make_lost_heads() -> None:
    """From the newest event that is left; the audit trail says so for ever."""
    with transaction.atomic(), trail.gathered():
        for context in VMContext.objects.filter(event_head=None):
            newest = context.events.order_by("-number").first()
            number, digest = (newest.number, newest.digest) if newest else (0, BEGINNING)
            ContextEventHead.objects.create(vm_context=context, number=number, digest=digest)
            trail.tell(Verb.RESTORE, trail.vm(context), new={"why": LOST})


def _catch_up() -> None:
    """With events that were recorded while the triggers were missing (a `migrate` that is killed
    leaves none), if vmrep wrote them."""
    beyond = ContextEvent.objects.filter(number__gt=F("vm_context__event_head__number"))
    for event in beyond.order_by("vm_context", "number"):
        head = ContextEventHead.objects.get(pk=event.vm_context_id)
        if events.follows(event, head.number, head.digest):
            ContextEventHead.objects.filter(pk=head.pk).update(
                number=event.number, digest=event.digest
            )


@checks.register(checks.Tags.database)
def check_triggers(databases: Sequence[str] | None = None, **options: Any) -> list[Any]:
    """A warning, not an error: `migrate` is the remedy, and would refuse to run on an error."""
    return [
        checks.Warning(
            f"The database lacks {', '.join(absent)}: whoever writes to it can change the events"
            " of VMs.",
            hint="Run manage.py migrate, which installs them, then manage.py verify_audit.",
            id="replication.W003",
        )
        for alias in databases or ()
        if (absent := GUARD.missing(connections[alias]))
    ]
