"""Groups of VMs that belong together, and the order in which they are failed over."""

from __future__ import annotations

import logging

from django.db import IntegrityError, transaction
from django.db.models import F, Max
from django.db.models.functions import Now

from contexts import trail
from contexts.database_errors import is_race
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.text import storable
from contexts.trail import Kind, Verb
from replication.errors import GroupRefused
from replication.models import GroupRun, VMGroup, VMGroupMember
from replication.models.groups import MOST_MEMBERS
from replication.states import GroupRunState

log = logging.getLogger(__name__)

LONGEST_NAME = 100
_OUT_OF_THE_WAY = 10_000  # positions that no member has, while they are numbered anew


@one_transaction
def add(name: str, *, actor: str) -> VMGroup:
    """A group without members. Raises GroupRefused for a name that is empty, too long or taken."""
    try:
        with transaction.atomic():
            group = VMGroup.objects.create(name=_sound(name), created_by=actor)
    except IntegrityError as problem:
        raise _taken(name, problem) from problem
    log.info("%s made the group %s", actor, group.pk)
    trail.tell(Verb.ADD, _about(group), actor=actor, new={"name": group.name})
    return group


@one_transaction
def rename(group: VMGroup, name: str, *, actor: str) -> None:
    """Raises GroupRefused as `add` does."""
    statuses.hold(*group.members.values_list("vm_context", flat=True))
    try:
        with transaction.atomic():
            VMGroup.objects.filter(pk=group.pk).update(name=_sound(name), updated_at=Now())
            # Their pages show the name.
            VMContext.objects.filter(group_member__group=group).update(updated_at=Now())
    except IntegrityError as problem:
        raise _taken(name, problem) from problem
    log.info("%s renamed the group %s", actor, group.pk)
    old, new = {"name": group.name}, {"name": _sound(name)}
    about = trail.subject(Kind.GROUP, group.pk, new["name"])
    trail.tell(Verb.CHANGE, about, actor=actor, old=old, new=new)


@one_transaction
def delete(group: VMGroup, *, actor: str) -> None:
    """The group and the history of its runs go; its VMs and their recovery points stay. Raises
    GroupRefused while its VMs are being gathered."""
    keys = list(group.members.values_list("vm_context", flat=True))
    statuses.hold(*keys)
    _lock(group)
    if GroupRun.objects.filter(
        group=group, state__in=GroupRunState.before_the_snapshots()
    ).exists():
        raise GroupRefused(
            f"The VMs of {group} are being gathered for a replication. Cancel it, or wait until"
            " their snapshots are taken."
        )
    VMContext.objects.filter(pk__in=keys).update(updated_at=Now())
    for key in keys:
        _record(key, f"the group “{group}” was deleted", actor)
    VMGroup.objects.filter(pk=group.pk).delete()
    trail.tell(Verb.REMOVE, _about(group), actor=actor, old={"order": keys})


@one_transaction
def add_member(group: VMGroup, context: VMContext, *, actor: str) -> VMGroupMember:
    """Put a VM at the end of the group's order. Raises GroupRefused when it is in a group, is not
    under management or of another vCenter than the others, or when the group is full."""
    context = statuses.lock(context.pk)
    _lock(group)
    there = list(group.members.select_related("vm_context"))
    other = VMGroupMember.objects.filter(vm_context=context).select_related("group").first()
    if other is not None:
        raise GroupRefused(f"{context} is in the group “{other.group}” already. Remove it there.")
    if not context.is_managed:
        raise GroupRefused(f"{context} is not under management. Take it under management first.")
    if len(there) >= MOST_MEMBERS:
        raise GroupRefused(
            f"{group} has {MOST_MEMBERS} VMs, and no group can have more: so many snapshots can be"
            " taken within seconds of one another."
        )
    if any(each.vm_context.vcenter_id != context.vcenter_id for each in there):
        raise GroupRefused(
            f"{context} is of another vCenter than the other VMs of {group}: when their snapshots"
            " were taken could not be compared."
        )
    last = group.members.aggregate(last=Max("position"))["last"] or 0
    member = VMGroupMember.objects.create(
        group=group, vm_context=context, position=last + 1, added_by=actor
    )
    _changed(group, context.pk, f"added to the group “{group}”", actor)
    _tell(context, group, actor, joins=True)
    return member


@one_transaction
def remove_member(member: VMGroupMember, *, actor: str) -> None:
    """Take a VM out of its group; a run that is under way goes on with it."""
    context = statuses.lock(member.vm_context_id)
    group = _lock(member.group)
    gone, _ = VMGroupMember.objects.filter(pk=member.pk).delete()
    if gone:
        _number(group, list(group.members.values_list("pk", flat=True)))
        _changed(group, member.vm_context_id, f"removed from the group “{group}”", actor)
        _tell(context, group, actor, joins=False)


@one_transaction
def move(member: VMGroupMember, position: int, *, actor: str) -> None:
    """Give a member this place in the order; those between make room. A place beyond the first or
    the last is that one."""
    group = _lock(member.group)
    keys = list(group.members.values_list("pk", flat=True))
    if member.pk not in keys:
        return  # it has left the group
    before = keys.index(member.pk) + 1
    keys.remove(member.pk)
    keys.insert(min(max(position, 1) - 1, len(keys)), member.pk)
    _number(group, keys)
    vm = member.vm_context_id
    old, new = {"vm": vm, "position": before}, {"vm": vm, "position": keys.index(member.pk) + 1}
    trail.tell(Verb.CHANGE, _about(group), actor=actor, old=old, new=new)
    log.info("%s moved %s to %s in the group %s", actor, member.vm_context_id, position, group.pk)


@one_transaction
def set_order(group: VMGroup, context_ids: list[str], *, actor: str) -> None:
    """Put all members in this order. Raises GroupRefused unless each is named exactly once."""
    _lock(group)
    members = dict(group.members.order_by("position").values_list("vm_context", "pk"))
    if sorted(context_ids) != sorted(members):
        raise GroupRefused(f"Name each VM of {group} once, and no other.")
    _number(group, [members[each] for each in context_ids])
    trail.tell(
        Verb.CHANGE,
        _about(group),
        actor=actor,
        old={"order": [*members]},
        new={"order": context_ids},
    )
    log.info("%s ordered the group %s", actor, group.pk)


def _about(group: VMGroup) -> trail.Subject:
    return trail.subject(Kind.GROUP, group.pk, group.name)


def _tell(context: VMContext, group: VMGroup, actor: str, *, joins: bool) -> None:
    """Of a VM, whose events these are, too."""
    told = {"group": group.name}
    old, new = ({"group": None}, told) if joins else (told, {"group": None})
    trail.tell(Verb.CHANGE, trail.vm(context), actor=actor, old=old, new=new)


def _number(group: VMGroup, keys: list[int]) -> None:
    """Positions from 1, in this order. At no moment do two members have the same."""
    group.members.update(position=F("position") + _OUT_OF_THE_WAY)
    for position, key in enumerate(keys, 1):
        group.members.filter(pk=key).update(position=position)
    VMGroup.objects.filter(pk=group.pk).update(updated_at=Now())


def _lock(group: VMGroup) -> VMGroup:
    found = VMGroup.objects.select_for_update(no_key=True).filter(pk=group.pk).first()
    if found is None:
        raise GroupRefused(f"The group “{group}” has been deleted.")
    return found


def _changed(group: VMGroup, context_id: str, why: str, actor: str) -> None:
    VMGroup.objects.filter(pk=group.pk).update(updated_at=Now())
    VMContext.objects.filter(pk=context_id).update(updated_at=Now())
    _record(context_id, why, actor)


def _record(context_id: str, why: str, actor: str) -> None:
    status = VMContext.objects.values_list("current_status", flat=True).get(pk=context_id)
    statuses.record_event(context_id, old=status, new=status, why=why, actor=actor, job_id=None)


def _sound(name: str) -> str:
    name = storable(name).strip()
    if not name or len(name) > LONGEST_NAME:
        raise GroupRefused(f"A group's name has 1 to {LONGEST_NAME} characters.")
    return name


def _taken(name: str, problem: IntegrityError) -> Exception:
    if not is_race(problem):
        return problem
    return GroupRefused(f"There is a group “{name.strip()}” already.")
