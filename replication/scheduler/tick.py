"""What beat asks for every few seconds: everything that is due, composed. The queue only queues."""

from __future__ import annotations

from contexts.services import discovery
from replication import messages
from replication.integrity import runs
from replication.services import left_overs, queue

# A worker that ends a job wakes the next one itself: the tick need only wake some that are idle.
HINTS_PER_TICK = 10


def tick() -> None:
    """Each part can be repeated at any time."""
    queue.take_over_expired()
    for _ in range(min(queue.runnable().count(), HINTS_PER_TICK)):
        messages.hint_job()
    for context_id in left_overs.contexts_to_clean():
        messages.hint_clean_up(context_id)
    discovery.take_up_forgotten()
    runs.take_up_forgotten()
