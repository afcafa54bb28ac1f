"""Groups of VMs that belong together, and the runs that replicated them together."""

from django.db import models
from django.db.models import Q

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from replication.states import GroupMemberState, GroupRunState, Trigger

MOST_MEMBERS = 16
"""Each has a thread, a session and a connection to the database while a run gathers them."""


class VMGroup(models.Model):
    """VMs whose snapshots are taken within seconds of one another."""

    name = models.CharField(max_length=100, unique=True)
    created_by = models.CharField(max_length=150)
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "vm_groups"
        verbose_name = "group"
        ordering = ["name"]
        constraints = [
            ColumnTypes(name="group_column_types"),
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(created_by=""), name="group_has_name_and_maker"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class VMGroupMember(models.Model):
    """A VM of a group, of which there is one at most. `position`: its place in the order in which
    the group's VMs are failed over, from 1."""

    group = models.ForeignKey(VMGroup, on_delete=models.CASCADE, related_name="members")
    vm_context = models.OneToOneField(
        "contexts.VMContext",
        on_delete=models.CASCADE,
        related_name="group_member",
        verbose_name="VM context",
    )
    position = models.PositiveSmallIntegerField()
    added_by = models.CharField(max_length=150)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        db_table = "vm_group_members"
        verbose_name = "group member"
        ordering = ["group", "position"]
        constraints = [
            ColumnTypes(name="group_member_column_types"),
            models.UniqueConstraint(
                fields=["group", "position"], name="group_member_once_per_position"
            ),
            models.CheckConstraint(
                condition=Q(position__gte=1), name="group_member_position_possible"
            ),
            models.CheckConstraint(condition=~Q(added_by=""), name="group_member_says_who_added"),
        ]

    def __str__(self) -> str:
        return f"{self.vm_context_id} in {self.group_id}"


class GroupRun(models.Model):
    """One time that a group's VMs were replicated together. `leader`: the token of the worker that
    gathers them, while it does."""

    group = models.ForeignKey(VMGroup, on_delete=models.CASCADE, related_name="runs")
    state = models.CharField(
        max_length=10, choices=GroupRunState.choices, default=GroupRunState.WAITING
    )
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    requested_by = models.CharField(max_length=150)
    leader = models.UUIDField(null=True, blank=True)
    led_by = models.CharField(
        max_length=255, blank=True, default="", help_text="host:pid of the last worker that did."
    )
    gatherings = models.PositiveSmallIntegerField(
        default=0, help_text="How many workers have begun to gather its VMs."
    )
    waits_since = MomentField(auto_now_add=True)
    spread_seconds = models.FloatField(
        null=True,
        blank=True,
        help_text="From the first to the last snapshot of those taken together, by vSphere's times;"
        " null where fewer than two were.",
    )
    problem = models.TextField(blank=True, default="")
    created_at = MomentField(auto_now_add=True)
    gathered_at = models.DateTimeField(
        null=True, blank=True, help_text="When its jobs went on one by one."
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "group_runs"
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["group"], condition=~Q(state=GroupRunState.ENDED), name="group_run_open"
            )
        ]
        constraints = [
            ColumnTypes(name="group_run_column_types"),
            models.UniqueConstraint(
                fields=["group"],
                condition=Q(state__in=[GroupRunState.WAITING, GroupRunState.GATHERING]),
                name="group_run_one_gathers_at_once",
                violation_error_message="The group's VMs are already being gathered.",
            ),
            models.CheckConstraint(
                condition=Q(state__in=GroupRunState.values), name="group_run_state_known"
            ),
            models.CheckConstraint(
                condition=Q(trigger__in=Trigger.values), name="group_run_trigger_known"
            ),
            models.CheckConstraint(
                condition=Q(state=GroupRunState.GATHERING, leader__isnull=False, gatherings__gte=1)
                & ~Q(led_by="")
                | ~Q(state=GroupRunState.GATHERING) & Q(leader__isnull=True),
                name="group_run_has_a_leader_while_it_gathers",
            ),
            models.CheckConstraint(
                condition=Q(state=GroupRunState.ENDED, ended_at__isnull=False)
                | ~Q(state=GroupRunState.ENDED) & Q(ended_at__isnull=True),
                name="group_run_ended_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(spread_seconds__gte=0), name="group_run_spread_possible"
            ),
            models.CheckConstraint(
                condition=~Q(requested_by=""), name="group_run_says_who_requested_it"
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.group_id}"


class GroupRunMember(models.Model):
    """What a run of a group did with one VM. `waiting`: its job is not to be begun alone."""

    run = models.ForeignKey(GroupRun, on_delete=models.CASCADE, related_name="members")
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        on_delete=models.CASCADE,
        related_name="group_runs",
        verbose_name="VM context",
    )
    job = models.OneToOneField(
        "replication.ReplicationJob",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="group_run_member",
    )
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=GroupMemberState.choices)
    taken_at = models.DateTimeField(
        null=True, blank=True, help_text="When its snapshot was taken, as vSphere says."
    )
    why = models.TextField(blank=True, default="", help_text="Why it is not with the others.")

    class Meta:
        db_table = "group_run_members"
        verbose_name = "VM of a group's run"
        verbose_name_plural = "VMs of groups' runs"
        ordering = ["run", "position"]
        constraints = [
            ColumnTypes(name="group_run_member_column_types"),
            models.UniqueConstraint(
                fields=["run", "vm_context"], name="group_run_member_once_per_run"
            ),
            models.CheckConstraint(
                condition=Q(position__gte=1), name="group_run_member_position_possible"
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[GroupMemberState.WAITING, GroupMemberState.GOING],
                    job__isnull=False,
                )
                | Q(state=GroupMemberState.TOGETHER, taken_at__isnull=False, why="")
                | Q(state__in=[GroupMemberState.APART, GroupMemberState.MISSING]) & ~Q(why=""),
                name="group_run_member_says_how_it_is",
            ),
            CompositeForeignKey(
                name="group_run_job_is_of_its_context",
                fields=("job", "vm_context"),
                to_table="replication_jobs",
                to_columns=("id", "vm_context_id"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vm_context_id} in run {self.run_id}"
