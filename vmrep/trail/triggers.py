"""What keeps the trail as it was written, whoever writes to the database: no row of it is changed
or removed, an event follows the head or is refused, and the head moves with it.

Only the oldest events can go: those up to `pruned_through`, which only grows
(`vmrep.trail.pruning`). `manage.py check --database default` says when a trigger is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections

from replication.database.guards import Guard, Trigger

EVENTS, HEAD = "audit_events", "audit_head"

# In the words of both databases: whether what a trigger is told of must be refused.
_IS_PRUNED = "OLD.number <= (SELECT pruned_through FROM audit_head)"
_HAS_HEAD = "EXISTS (SELECT 1 FROM audit_head)"
_FOLLOWS = (
    "EXISTS (SELECT 1 FROM audit_head"
    " WHERE number = NEW.number - 1 AND digest = NEW.previous_digest)"
)
_MOVES = (
    "NEW.number = OLD.number + 1 AND NEW.pruned_through = OLD.pruned_through"
    " AND NEW.pruned_digest = OLD.pruned_digest"
    " AND EXISTS (SELECT 1 FROM audit_events WHERE number = NEW.number AND digest = NEW.digest"
    " AND previous_digest = OLD.digest)"
)
_PRUNES = (
    "NEW.number = OLD.number AND NEW.digest = OLD.digest"
    " AND NEW.pruned_through > OLD.pruned_through"
    " AND EXISTS (SELECT 1 FROM audit_events WHERE number = NEW.pruned_through"
    " AND digest = NEW.pruned_digest)"
)
_ADVANCE = (
    "UPDATE audit_head SET number = NEW.number, digest = NEW.digest"
    " WHERE number = NEW.number - 1 AND digest = NEW.previous_digest"
)

TRIGGERS = {
    "audit_event_is_kept": Trigger("BEFORE DELETE", EVENTS, f"NOT ({_IS_PRUNED})"),
    "audit_event_is_never_changed": Trigger("BEFORE UPDATE", EVENTS, "1 = 1"),
    "audit_event_follows_the_head": Trigger(
        "AFTER INSERT", EVENTS, f"NOT ({_FOLLOWS})", (_ADVANCE,)
    ),
    "audit_head_is_kept": Trigger("BEFORE DELETE", HEAD, "1 = 1"),
    "audit_head_is_the_only_one": Trigger("BEFORE INSERT", HEAD, _HAS_HEAD),
    "audit_head_moves_with_events": Trigger(
        "BEFORE UPDATE", HEAD, f"NOT (({_MOVES}) OR ({_PRUNES}))"
    ),
}
GUARD = Guard((EVENTS, HEAD), TRIGGERS, {"audit_events_are_kept": EVENTS, "audit_head_stays": HEAD})
statements, missing = GUARD.statements, GUARD.missing
install, remove = GUARD.install, GUARD.remove
remove_before_migrations = GUARD.remove_before_migrations
install_after_migrations = GUARD.install_after_migrations


@checks.register(checks.Tags.database)
def check_triggers(databases: Sequence[str] | None = None, **options: Any) -> list[Any]:
    """A warning, not an error: `migrate` is the remedy, and would refuse to run on an error."""
    return [
        checks.Warning(
            f"The database lacks {', '.join(absent)}: whoever writes to it can change the audit"
            " trail.",
            hint="Run manage.py migrate, which installs them, then manage.py verify_audit.",
            id="trail.W001",
        )
        for alias in databases or ()
        if (absent := missing(connections[alias]))
    ]
