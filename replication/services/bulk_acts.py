"""The same act for many VMs, done by a worker: asked for once, with the VMs as they are then.

Each VM has its own transaction, in which the act, its item and the action's figures change
together. So a worker that is killed anywhere leaves every VM either done or not, and another worker
goes on with those that are not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from contexts import trail
from contexts.database_errors import lock_timed_out, own_words
from contexts.errors import ContextError, NotManaged
from contexts.models import VMContext
from contexts.services import management, statuses
from contexts.services.transactions import one_transaction, wait_briefly
from contexts.text import plural, storable
from contexts.trail import Kind, Somebody, Verb, Via
from replication import messages
from replication.errors import (
    BulkEnded,
    BulkRefused,
    PauseRefused,
    PolicyRefused,
    RepositoryGone,
    TooMany,
)
from replication.models import BulkAction, BulkItem, Pause, Policy, Repository
from replication.policies import services as policies
from replication.selectors import pauses as paused
from replication.services import cancel as cancelling
from replication.services import moving, pauses, start
from replication.services.pauses import Subject
from replication.states import (
    BulkItemState,
    BulkKind,
    BulkState,
    PauseKind,
    SyncRequest,
    Trigger,
)

log = logging.getLogger(__name__)

MOST = 20_000
"""VMs of one action."""
AT_ONCE = 2
"""Actions that workers are woken for at the same time: others need them, too."""
TURN_SECONDS = 10.0
CLAIMED_FOR = timedelta(seconds=30)
KEPT_FOR = timedelta(days=90)


class Arguments(NamedTuple):
    """What some kinds need: the policy (None: none), the repository, until when and why."""

    policy: Policy | None = None
    repository: Repository | None = None
    until: datetime | None = None
    reason: str = ""


# --- Asking ------------------------------------------------------------------------------------


@one_transaction
def ask(
    kind: str,
    among: QuerySet[VMContext],
    arguments: Arguments,
    *,
    trigger: str,
    actor: str,
) -> BulkAction:
    """Write down the act and the VMs of now; a worker does it. Raises BulkRefused, TooMany."""
    keys = chosen(among)
    _require_possible(kind, arguments)
    named = arguments.policy or arguments.repository
    action = BulkAction.objects.create(
        kind=kind,
        subject=str(named or ""),
        policy=arguments.policy,
        repository=arguments.repository,
        until=arguments.until,
        reason=arguments.reason.strip()[: pauses.LONGEST_REASON],
        trigger=trigger,
        asked_by=actor,
        total=len(keys),
    )
    BulkItem.objects.bulk_create(
        (BulkItem(action=action, vm_context_id=key) for key in keys), batch_size=1000
    )
    log.info("%s asked for %s (%s) of %s VMs", actor, action, kind, len(keys))
    told = {"kind": kind, "subject": action.subject, "vms": len(keys)}
    told |= {"until": action.until, "reason": action.reason}
    trail.tell(Verb.ADD, _about(action), actor=actor, new=told)
    transaction.on_commit(messages.hint_bulk)
    return action


def chosen(among: QuerySet[VMContext]) -> list[str]:
    """The keys of these VMs. Raises BulkRefused without any, TooMany."""
    keys = list(among.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if not keys:
        raise BulkRefused("No VM matches, so there is nothing to do. Choose other VMs.")
    if len(keys) > MOST:
        raise TooMany(f"More than {MOST:,} VMs match: choose fewer with the filters.")
    return keys


def _require_possible(kind: str, arguments: Arguments) -> None:
    """Raises BulkRefused: what this kind needs, and nothing else, must be given."""
    policy, repository, until, reason = arguments
    if kind not in ACTS:
        raise BulkRefused("That is nothing that can be done with many VMs at once.")
    if kind == BulkKind.REPOSITORY and repository is None:
        raise BulkRefused("Say to which repository the VMs are to be moved.")
    if repository is not None and kind != BulkKind.REPOSITORY:
        raise BulkRefused("Only moving VMs takes a repository.")
    if policy is not None and (kind != BulkKind.POLICY or policy.name is None):
        raise BulkRefused("Only giving a policy takes a policy, one with a name.")
    if (until is not None or reason) and kind != BulkKind.PAUSE:
        raise BulkRefused("Only a pause has a time until when, and a reason.")


@one_transaction
def cancel(action: BulkAction, *, actor: str) -> BulkAction:
    """Leave the VMs as they are that it has not come to yet: none is touched after this. Raises
    BulkEnded."""
    is_stopped = BulkAction.objects.filter(pk=action.pk, state__in=BulkState.active()).update(
        state=BulkState.CANCELLED, cancelled_by=actor, ended_at=Now(), updated_at=Now()
    )
    action.refresh_from_db()
    if not is_stopped:
        raise BulkEnded(
            f"Bulk action {action.pk} is over ({action.get_state_display().lower()}): nothing is"
            " left to cancel."
        )
    log.info("%s cancelled %s", actor, action)
    trail.tell(Verb.CANCEL, _about(action), actor=actor)
    return action


def _about(action: BulkAction) -> trail.Subject:
    name = f"{action.get_kind_display()} ({plural(action.total, 'VM')})"
    return trail.subject(Kind.BULK, action.pk, name)


def _asker(action: BulkAction) -> Somebody:
    """What is done with its VMs is done by whoever asked for it, in the way it was asked."""
    via = Via.API if action.trigger == Trigger.API else Via.PAGE
    return Somebody(via=via, actor=action.asked_by, note={"bulk_action": action.pk})


# --- Doing -------------------------------------------------------------------------------------


def pick_up_forgotten() -> None:
    """A part of the tick: wake workers for actions that nobody is at, and forget old ones."""
    for _ in range(min(_free().count(), AT_ONCE)):
        messages.hint_bulk()
    BulkAction.objects.filter(ended_at__lt=Now() - KEPT_FOR).delete()


def run_next() -> bool:
    """Go on with the oldest action that no other worker is at, for a while. Returns whether there
    is more to do. Raises an ExceptionGroup of faults of vmrep itself; the others were done."""
    action = _claim()
    if action is None:
        return False
    ends, problems = time.monotonic() + TURN_SECONDS, list[Exception]()
    held = set[int]()
    while time.monotonic() < ends:
        item = _next(action, held)
        if item is None or not _handle(item, action, problems, held):
            break
    _let_go(action)
    if problems:
        raise ExceptionGroup(f"{action}: {plural(len(problems), 'VM')} failed", problems)
    return _free().exists()


def _free() -> QuerySet[BulkAction]:
    """The actions that are not over and that no living worker is at, the oldest first."""
    nobody = Q(claimed_until__isnull=True) | Q(claimed_until__lt=Now())
    return BulkAction.objects.filter(nobody, ended_at__isnull=True).order_by("pk")


def _claim() -> BulkAction | None:
    """The claim only saves work: what two workers do at once is done once all the same."""
    for action in _free()[:AT_ONCE]:
        if (
            _free()
            .order_by()
            .filter(pk=action.pk)
            .update(state=BulkState.RUNNING, claimed_until=Now() + CLAIMED_FOR, updated_at=Now())
        ):
            BulkAction.objects.filter(pk=action.pk, started_at__isnull=True).update(
                started_at=Now()
            )
            return action
    return None


def _let_go(action: BulkAction) -> None:
    """Ended, if it has come to every VM; else for whoever comes next."""
    mine = BulkAction.objects.filter(pk=action.pk, state=BulkState.RUNNING)
    if mine.filter(total=F("done") + F("refused")).update(
        state=BulkState.ENDED, ended_at=Now(), claimed_until=None, updated_at=Now()
    ):
        log.info("%s has ended", action)
        return
    mine.update(claimed_until=None, updated_at=Now())


def _waiting(action: BulkAction) -> QuerySet[BulkItem]:
    return BulkItem.objects.filter(action=action, state=BulkItemState.WAITING)


def _next(action: BulkAction, held: Collection[int]) -> BulkItem | None:
    """Those whose rows somebody held come after all others, each once in a turn: however many they
    are, they take nobody's turn away."""
    waiting = _waiting(action)
    if (item := waiting.filter(times_held=0).order_by("pk").first()) is not None:
        return item
    again = waiting.filter(times_held__gt=0).exclude(pk__in=held)
    return again.order_by("times_held", "pk").first()


def _handle(item: BulkItem, action: BulkAction, problems: list[Exception], held: set[int]) -> bool:
    """One VM. False: the action was cancelled. A VM whose row somebody holds is put off. One on
    which vmrep itself fails is refused, so that the others, and the action, end."""
    try:
        return _do(item, action)
    except _Cancelled:
        return False
    except OperationalError as problem:
        if not lock_timed_out(problem):
            raise  # without the database there is nothing to do
        log.warning("%s is left for later: %s", item, own_words(problem))
        held.add(item.pk)
        _waiting(action).filter(pk=item.pk).update(times_held=F("times_held") + 1)
    except InterfaceError:
        raise
    except Exception as problem:
        log.exception("%s failed", item)
        problems.append(problem)
        told = own_words(problem) if isinstance(problem, DatabaseError) else repr(problem)
        _fail(item, action, f"vmrep itself failed, and its log says where: {told}")
    return True


class _Cancelled(Exception):
    """Somebody cancelled the action: this VM is not touched any more."""


@one_transaction
def _do(item: BulkItem, action: BulkAction) -> bool:
    """Raises _Cancelled: then nothing was done. Also True if another worker has done it. Whoever
    decides an item holds its VM, so that it needs no lock of its own."""
    wait_briefly()
    statuses.hold(item.vm_context_id)
    if not _waiting(action).filter(pk=item.pk).exists():
        return True
    why = ""
    try:
        with transaction.atomic(), trail.acting(_asker(action)):
            ACTS[BulkKind(action.kind)](VMContext.objects.get(pk=item.vm_context_id), action)
    except ContextError as problem:
        why = storable(str(problem)) or problem.code
    _note(item, action, why)
    return True


@one_transaction
def _fail(item: BulkItem, action: BulkAction, why: str) -> None:
    wait_briefly()
    statuses.hold(item.vm_context_id)
    if _waiting(action).filter(pk=item.pk).exists():
        _note(item, action, storable(why))


def _note(item: BulkItem, action: BulkAction, why: str) -> None:
    state = BulkItemState.REFUSED if why else BulkItemState.DONE
    BulkItem.objects.filter(pk=item.pk).update(state=state, why=why)
    figure = "refused" if why else "done"
    going_on = BulkAction.objects.filter(pk=action.pk, state=BulkState.RUNNING)
    if not going_on.update(
        **{figure: F(figure) + 1}, claimed_until=Now() + CLAIMED_FOR, updated_at=Now()
    ):
        raise _Cancelled


# --- What is done with one VM, each by the service that also does it for one alone --------------


def _replicate(context: VMContext, action: BulkAction) -> None:
    start.start(context, trigger=action.trigger, requested_by=action.asked_by)


def _copy_in_full(context: VMContext, action: BulkAction) -> None:
    start.start(
        context,
        trigger=action.trigger,
        requested_by=action.asked_by,
        requested_sync=SyncRequest.INITIAL,
    )


def _cancel(context: VMContext, action: BulkAction) -> None:
    cancelling.cancel_job_of(context, actor=action.asked_by)


def _give_policy(context: VMContext, action: BulkAction) -> None:
    if action.subject and action.policy is None:
        raise PolicyRefused({"policy": f"Policy {action.subject} was removed meanwhile."})
    _require_managed(context)
    policies.give(context, action.policy, actor=action.asked_by)


def _move(context: VMContext, action: BulkAction) -> None:
    if action.repository is None:
        raise RepositoryGone(f"Repository {action.subject} was removed meanwhile.")
    moving.move(context, action.repository, actor=action.asked_by)


def _pause(context: VMContext, action: BulkAction) -> None:
    _require_managed(context)
    pauses.pause(
        Subject(PauseKind.VM, vm_context=context),
        until=action.until,
        reason=action.reason,
        actor=action.asked_by,
    )


def _resume(context: VMContext, action: BulkAction) -> None:
    open_now = paused.open_pauses().filter(kind=PauseKind.VM, vm_context=context)
    pause: Pause | None = open_now.first()
    if pause is None:
        wider = paused.pause_of(context)
        why = f" What is paused is {paused.subject(wider)}: end that pause." if wider else ""
        raise PauseRefused(f"{context} itself is not paused.{why}")
    pauses.end(pause, actor=action.asked_by)


def _remove(context: VMContext, action: BulkAction) -> None:
    management.release(context, actor=action.asked_by)


def _require_managed(context: VMContext) -> None:
    if not context.is_managed:
        raise NotManaged(f"{context} is not under management. Take it under management first.")


ACTS: dict[BulkKind, Callable[[VMContext, BulkAction], None]] = {
    BulkKind.REPLICATE: _replicate,
    BulkKind.COPY_IN_FULL: _copy_in_full,
    BulkKind.CANCEL: _cancel,
    BulkKind.POLICY: _give_policy,
    BulkKind.REPOSITORY: _move,
    BulkKind.PAUSE: _pause,
    BulkKind.RESUME: _resume,
    BulkKind.REMOVE: _remove,
}
