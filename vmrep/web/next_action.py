"""What an operator should do with a VM next: one rule, for the panel's main button."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from replication.models import ReplicationJob
from replication.selectors.damages import Broken
from replication.selectors.protection import Protection
from vmrep.web.formats import binary, duration
from vmrep.web.job_words import is_held_up

if TYPE_CHECKING:
    from replication.selectors.contexts import ContextInList


class Situation(NamedTuple):
    """What the rule looks at."""

    is_managed: bool = True
    has_repository: bool = True
    is_gone: bool = False
    identity_changed: bool = False
    job_is_active: bool = False
    is_cancelling: bool = False
    is_held_up: bool = False
    nobody_works: str = ""  # why no worker begins, or goes on with, replications
    last_job: str = ""  # the newest ended job's status; empty: there is none
    has_point: bool = False
    is_over_target: bool = False
    is_damaged: bool = False  # its newest recovery point is
    is_away: bool = False  # the repository of its newest recovery point is
    is_dated_ahead: bool = False
    moves_to: str = ""  # the repository, if its newest recovery point is in another one
    target_seconds: int | None = None
    capacity_bytes: int | None = None
    has_undecided_disk: bool = False  # no snapshot holds it, and nobody agreed to leave it out


class NextAction(NamedTuple):
    """`kind`: wait, watch, take, decide, discover, disks, copy or replicate. `urgent`: until it is
    done, the VM is not protected as intended."""

    kind: str
    button: str
    why: str
    urgent: bool = True


def next_action(now: Situation) -> NextAction:
    """The first rule that applies."""
    if now.is_cancelling:
        return NextAction("wait", "", "The replication stops after its current request.", False)
    if now.job_is_active and now.nobody_works:
        return NextAction("watch", "", f"The replication is waiting: {now.nobody_works}")
    if now.job_is_active and now.is_held_up:
        why = "The replication continues by itself as soon as it has what it waits for."
        return NextAction("watch", "", why, False)
    if now.job_is_active:
        return NextAction("watch", "", "Nothing to do: a replication is under way.", False)
    if not now.is_managed:
        return NextAction("take", "Take it again", "The VM is not under management.", False)
    if now.identity_changed:
        why = "Decide whether it is still the same VM. Until then it cannot be replicated."
        return NextAction("decide", "Compare and decide", why)
    if now.is_gone:
        why = "The VM is not in its vCenter. When it is back, a discovery finds it."
        return NextAction("discover", "Go to Discovery", why)
    if not now.has_repository:
        why = "The VM has no repository for its replica. An administrator can choose one."
        return NextAction("wait", "", why)
    if now.has_undecided_disk:
        why = "Snapshots leave out one of its disks. Until you change that, or leave the disk out,"
        why += " vmrep refuses to replicate the VM."
        return NextAction("disks", "Look at its disks", why)
    if now.is_away:
        why = "Make its repository reachable for the workers. Until then nothing can be restored"
        return NextAction("wait", "", f"{why} from it, and jobs of this VM wait.")
    if now.is_damaged:
        why = "The next replication copies the damaged disk in full, so that nothing new is based"
        why += " on the damaged image. This copies every disk."
        return NextAction("copy", "Copy in full into a new chain", why)
    return _replicate(now)


def _replicate(now: Situation) -> NextAction:
    if now.last_job == "failed":
        why = "First do what the last error says."
        return NextAction("replicate", "Replicate again", why)
    if not now.has_point:
        size = "" if now.capacity_bytes is None else f", up to {binary(now.capacity_bytes)}"
        why = f"There is no recovery point yet. The first one is a full copy{size}."
        return NextAction("replicate", "Replicate now", why)
    if now.moves_to:
        why = f"The next replication begins in the repository {now.moves_to}: it copies the disks"
        why += " in full, unless recovery points of the VM are left there."
        return NextAction("replicate", "Replicate now", why, now.is_over_target)
    if now.is_dated_ahead:
        why = "Its newest recovery point is dated in the future: a clock was wrong, so its age is"
        why += " unknown. See the integrity check."
        return NextAction("replicate", "Replicate now", why)
    if now.is_over_target:
        target = "" if now.target_seconds is None else f" of {duration(now.target_seconds)}"
        return NextAction("replicate", "Replicate now", f"The VM is past its RPO target{target}.")
    why = "Another replication copies what has changed since the newest recovery point."
    return NextAction("replicate", "Replicate now", why, False)


def situation(
    vm: ContextInList,
    job: ReplicationJob | None,
    broken: Broken | None,
    nobody_works: str = "",
) -> Situation:
    """The situation of a context as `contexts_in_detail` reads it, with its active job, with why it
    is broken, if it is, and with what is missing for any job to be worked at."""
    return Situation(
        is_managed=vm.is_managed,
        has_repository=vm.repository_id is not None,
        is_gone=vm.gone_since is not None,
        identity_changed=vm.changed_vm_id is not None,
        job_is_active=job is not None,
        is_cancelling=job is not None and job.cancel_requested_at is not None,
        is_held_up=job is not None and is_held_up(job),
        nobody_works=nobody_works,
        last_job=vm.newest_job_status or "",
        has_point=vm.newest_point_at is not None,
        is_over_target=vm.protection == Protection.OVER_TARGET,
        is_damaged=broken is not None and not broken.is_away,
        is_away=broken is not None and broken.is_away,
        is_dated_ahead=vm.is_dated_ahead,
        moves_to=_moves_to(vm),
        target_seconds=vm.rpo_target_seconds,
        capacity_bytes=vm.capacity_bytes,
        has_undecided_disk=bool(vm.undecided_disk_count),
    )


def _moves_to(vm: ContextInList) -> str:
    here, newest = vm.repository, vm.newest_point_repository_id
    return here.name if here is not None and newest not in (None, here.pk) else ""
