"""What became of the VMs of a group's run, by the snapshots that their jobs took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from contexts.text import plural
from replication.models import GroupRun, GroupRunMember, Occurrence, VMSnapshot
from replication.services import occurrences, together
from replication.states import GroupMemberState, JobStatus, OccurrenceKind, SnapshotState

FOR_A_STUN = "r"
"""What ends the name of a snapshot that no recovery point is made from."""


def snapshots() -> QuerySet[VMSnapshot]:
    """Those that jobs read, or will read, from."""
    there = VMSnapshot.objects.exclude(state=SnapshotState.REMOVED)
    return there.exclude(name__endswith=FOR_A_STUN)


def times(members: Sequence[GroupRunMember]) -> dict[int, datetime]:
    """When the snapshots that these VMs' jobs read were taken, as far as vSphere says. Of several
    that a job took, the last one counts."""
    by_job = {member.job_id: member.pk for member in members if member.job_id}
    rows = (
        VMSnapshot.objects.filter(job__in=by_job)
        .exclude(name__endswith=FOR_A_STUN)
        .order_by("id")
        .values_list("job", "taken_at")
    )
    last = dict(rows)
    return {by_job[job]: taken_at for job, taken_at in last.items() if taken_at is not None}


def near(times: Mapping[int, datetime]) -> dict[int, datetime]:
    """Those of them that are together."""
    return {key: times[key] for key in together.together(times)}


def tell(run: GroupRun, members: Sequence[GroupRunMember]) -> None:
    """Once per transition: that the group was not replicated, that its VMs are not all together, or
    that they are again. What somebody cancelled is not told."""
    if any(each.job and each.job.status == JobStatus.CANCELLED for each in members):
        return
    kind = _kind(members)
    of_group = Q(key__contains=f":{run.group_id}:")
    told = Occurrence.objects.filter(of_group, kind__in=_BAD | {OccurrenceKind.GROUP_RECOVERED})
    before = told.order_by("-pk").values_list("kind", flat=True).first()
    if kind == before or (kind not in _BAD and before not in _BAD):
        return
    vcenter_id = members[0].vm_context.vcenter_id
    what = _what(run, kind, members)
    occurrences.tell(kind, f"{run.group_id}:{run.pk}", what=what, vcenter_id=vcenter_id)


_BAD = {OccurrenceKind.GROUP_FAILED, OccurrenceKind.GROUP_APART}
_LONGEST_LIST = 10


def _kind(members: Sequence[GroupRunMember]) -> OccurrenceKind:
    states = {each.state for each in members}
    if states == {GroupMemberState.MISSING}:
        return OccurrenceKind.GROUP_FAILED
    if states == {GroupMemberState.TOGETHER}:
        return OccurrenceKind.GROUP_RECOVERED
    return OccurrenceKind.GROUP_APART


def _what(run: GroupRun, kind: OccurrenceKind, members: Sequence[GroupRunMember]) -> str:
    name = f"The group “{run.group}”"
    if kind == OccurrenceKind.GROUP_RECOVERED:
        return f"{name}: the snapshots of all its VMs were taken together again."
    others = [each for each in members if each.state != GroupMemberState.TOGETHER]
    whys = [f"{each.vm_context}: {each.why}" for each in others[:_LONGEST_LIST]]
    if len(others) > _LONGEST_LIST:
        whys.append(f"And {len(others) - _LONGEST_LIST} more.")
    if kind == OccurrenceKind.GROUP_FAILED:
        return " ".join([f"{name}: none of its VMs was replicated.", *whys])
    count = f"{len(others)} of its {plural(len(members), 'VM')}"
    return " ".join([f"{name}: {count} cannot be failed over with the others.", *whys])


def judge(
    member: GroupRunMember, times: Mapping[int, datetime], near: Mapping[int, datetime]
) -> None:
    """How it ended for this VM."""
    job = member.job
    member.taken_at = times.get(member.pk)
    if job is None or job.status != JobStatus.COMPLETED:
        member.state = GroupMemberState.MISSING
        ended = job.error_message or job.get_status_display() if job else "Its job is gone."
        member.why = f"{member.why} {ended}".strip()
    elif member.pk in near:
        member.state, member.why = GroupMemberState.TOGETHER, ""
    else:
        member.state = GroupMemberState.APART
        if member.taken_at is None:
            told = "vSphere does not say when its snapshot was taken."
        else:
            told = together.how_far(member.taken_at, near)
        member.why = f"{member.why} {told}".strip()
