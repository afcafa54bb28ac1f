"""What became of the VMs of a group's run, by the snapshots that their jobs took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import QuerySet

from replication.models import GroupRunMember, VMSnapshot
from replication.services import together
from replication.states import GroupMemberState, JobStatus, SnapshotState

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
