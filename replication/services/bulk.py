"""Starting and cancelling for many VMs at once: each separately, so that one refusal stops none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db.models import QuerySet

from contexts.errors import ContextError
from contexts.models import VMContext
from contexts.services.management import MOST_AT_ONCE
from replication.errors import TooMany
from replication.services import cancel as cancelling
from replication.services import start as starting


@dataclass(frozen=True)
class Refusal:
    """Why nothing was done for one VM; the message names it."""

    vm_name: str
    reason: str


@dataclass
class Outcome:
    """The number of VMs that were handled, and the refused ones."""

    done: int = 0
    refused: list[Refusal] = field(default_factory=list)


def start(
    among: QuerySet[VMContext], context_ids: Sequence[str], *, trigger: str, requested_by: str
) -> Outcome:
    """A job for each VM among these, each in its own transaction. Raises TooMany."""
    return _each(
        among,
        context_ids,
        lambda context: starting.start(context, trigger=trigger, requested_by=requested_by),
    )


def cancel(among: QuerySet[VMContext], context_ids: Sequence[str], *, actor: str) -> Outcome:
    """Cancel the active job of each VM among these. Raises TooMany."""
    return _each(among, context_ids, lambda context: cancelling.cancel_job_of(context, actor=actor))


def few(context_ids: Sequence[str]) -> list[str]:
    """The IDs without repetition. Raises TooMany."""
    wanted = list(dict.fromkeys(context_ids))
    if len(wanted) > MOST_AT_ONCE:
        raise TooMany(f"{len(wanted):,} VMs are too many at once: choose {MOST_AT_ONCE} at most.")
    return wanted


def _each(
    among: QuerySet[VMContext], context_ids: Sequence[str], act: Callable[[VMContext], object]
) -> Outcome:
    wanted = few(context_ids)
    contexts = among.select_related("current_job").in_bulk(wanted)
    outcome = Outcome()
    for context_id in wanted:
        context = contexts.get(context_id)
        if context is None:
            outcome.refused.append(Refusal(context_id, f"There is no VM context {context_id!r}."))
            continue
        try:
            act(context)
        except ContextError as problem:
            outcome.refused.append(Refusal(str(context), str(problem)))
        else:
            outcome.done += 1
    return outcome
