"""What is wanted for VMs: policies, where they apply, and what follows from them for each VM."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from contexts.constraints import ColumnTypes, CompositeForeignKey
from contexts.fields import MomentField
from contexts.models.contexts import MAX_RPO_TARGET_SECONDS
from replication.hours import MINUTES_OF_A_DAY
from replication.states import (
    PolicyPriority,
    QuiesceWish,
    RetentionKind,
    RPOKind,
    ScopeKind,
)

SHORTEST_TARGET_SECONDS = 60
LATEST_START_MINUTES = 7 * MINUTES_OF_A_DAY
KEEP = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
NUMBERS = (
    *KEEP,
    *("most_running", "give_up_after_minutes", "compare_every_days", "verify_every_days"),
)
LARGEST_NUMBER = 32_767  # of a small whole number


def _number(
    help_text: str, name: str = ""
) -> models.PositiveSmallIntegerField[int | None, int | None]:
    """One of NUMBERS."""
    return models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        verbose_name=name or None,
        help_text=help_text,
        validators=[MaxValueValidator(LARGEST_NUMBER)],
    )


class PolicyValues(models.Model):
    """Abstract: what a policy may say. In a policy an empty text or null leaves the group of values
    (`replication.policies.values.GROUPS`) to a policy that is less near; in what is in effect for a
    VM it means none."""

    rpo_kind = models.CharField(
        max_length=10, choices=RPOKind.choices, blank=True, default="", verbose_name="when"
    )
    rpo_target_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        verbose_name="RPO target (seconds)",
        help_text="How old the newest recovery point may become. Of a calendar: the longest time"
        " between two of its starts, and how late one may be.",
        validators=[
            MinValueValidator(SHORTEST_TARGET_SECONDS),
            MaxValueValidator(MAX_RPO_TARGET_SECONDS),
        ],
    )
    cron = models.CharField(
        max_length=200,
        blank=True,
        default="",
        verbose_name="calendar",
        help_text="Minute, hour, day of the month, month, day of the week.",
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        help_text="For the calendar, the hours when a replication may start, and the days that"
        " retention counts: Europe/Berlin, for example.",
    )
    latest_start_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="How late a replication of the calendar may still start.",
        validators=[MinValueValidator(1), MaxValueValidator(LATEST_START_MINUTES)],
    )
    retention_kind = models.CharField(
        max_length=10,
        choices=RetentionKind.choices,
        blank=True,
        default="",
        verbose_name="retention",
    )
    keep_last = _number("How many of the newest recovery points are kept.")
    keep_hourly = _number("For how many hours the newest recovery point of each is kept.")
    keep_daily = _number("For how many days the newest recovery point of each is kept.")
    keep_weekly = _number("For how many weeks (from Monday) the newest of each is kept.")
    keep_monthly = _number("For how many months the newest recovery point of each is kept.")
    keep_yearly = _number("For how many years the newest recovery point of each is kept.")
    quiesce = models.CharField(
        max_length=20,
        choices=QuiesceWish.choices,
        blank=True,
        default="",
        verbose_name="quiescing",
    )
    most_running = _number("How many jobs of its VMs run at once; 0: no limit.", "jobs at once")
    give_up_after_minutes = _number(
        "After how long a scheduled job that has not started is cancelled; 0: never.",
        "give up after (minutes)",
    )
    compare_every_days = _number(
        "How often a job compares every disk whole; 0: never.", "compare every (days)"
    )
    verify_every_days = _number(
        "How often the newest recovery point is read back; 0: never.", "verify every (days)"
    )
    priority = models.CharField(
        max_length=10, choices=PolicyPriority.choices, blank=True, default=""
    )

    class Meta:
        abstract = True


def _rules_of_values(prefix: str) -> Sequence[models.BaseConstraint]:
    """What both a policy and what is in effect must keep to."""
    none: dict[str, object] = {"cron": "", "latest_start_minutes__isnull": True}
    possible = Q(
        rpo_target_seconds__gte=SHORTEST_TARGET_SECONDS,
        rpo_target_seconds__lte=MAX_RPO_TARGET_SECONDS,
    )
    without = Q(rpo_target_seconds__isnull=True, **none)
    keeps_none = Q(**{f"{name}__isnull": True for name in KEEP})
    keeps_some = Q()
    for name in KEEP:
        # A comparison with null is neither true nor false, which a CHECK lets pass.
        keeps_some |= Q(**{f"{name}__isnull": False, f"{name}__gt": 0})
    return (
        models.CheckConstraint(
            condition=Q(rpo_kind__in=["", RPOKind.NONE]) & without
            | Q(rpo_kind=RPOKind.TARGET, rpo_target_seconds__isnull=False, **none) & possible
            | Q(
                rpo_kind=RPOKind.CALENDAR,
                rpo_target_seconds__isnull=False,
                latest_start_minutes__gte=1,
                latest_start_minutes__lte=LATEST_START_MINUTES,
                latest_start_minutes__isnull=False,
            )
            & possible
            & ~Q(cron=""),
            name=f"{prefix}_says_when",
        ),
        models.CheckConstraint(
            condition=Q(retention_kind__in=["", RetentionKind.ALL]) & keeps_none
            | Q(retention_kind=RetentionKind.RULES) & keeps_some,
            name=f"{prefix}_says_what_to_keep",
        ),
        models.CheckConstraint(
            condition=Q(quiesce__in=["", *QuiesceWish.values]), name=f"{prefix}_quiescing_known"
        ),
        models.CheckConstraint(
            condition=Q(priority__in=["", *PolicyPriority.values]),
            name=f"{prefix}_priority_known",
        ),
        models.CheckConstraint(condition=~Q(time_zone=""), name=f"{prefix}_has_a_time_zone"),
    )


class Policy(PolicyValues):
    """What is wanted for the VMs that its scopes name; or, without a name, what is wanted for one
    VM alone (`vm_context`), its own values."""

    name = models.CharField(max_length=100, null=True, blank=True, unique=True)
    vm_context = models.OneToOneField(
        "contexts.VMContext",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="own_policy",
        verbose_name="VM context",
    )
    repository = models.ForeignKey(
        "replication.Repository",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="policies",
        help_text="For VMs that it takes under management, and VMs without a repository.",
    )
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "policies"
        verbose_name_plural = "policies"
        ordering = ["name", "id"]
        constraints = [
            ColumnTypes(name="policy_column_types"),
            models.CheckConstraint(
                condition=Q(name__isnull=False, vm_context__isnull=True) & ~Q(name="")
                | Q(name__isnull=True, vm_context__isnull=False),
                name="policy_has_a_name_or_is_of_one_vm",
            ),
            CompositeForeignKey(
                name="policy_repository_is_there",
                fields=("repository",),
                to_table="repositories",
                to_columns=("present_id",),
                violation_error_message="This repository has been removed. Choose another one.",
            ),
            models.UniqueConstraint(fields=["id", "vm_context"], name="policy_with_its_vm"),
            *_rules_of_values("policy"),
        ]

    def __str__(self) -> str:
        return self.name or f"own values of {self.vm_context_id}"


class PolicyWindow(models.Model):
    """When replications of a policy may start, in its time zone. From the first minute to before
    the last; over midnight if the last comes first. It belongs to the day on which it begins.
    A policy without any has no such limits."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="windows")
    days = models.PositiveSmallIntegerField(
        help_text="The sum of 1 (Monday), 2, 4, 8, 16, 32, 64 (Sunday)."
    )
    from_minute = models.PositiveSmallIntegerField(help_text="Of the day; 0 is midnight.")
    to_minute = models.PositiveSmallIntegerField(help_text="Of the day, up to 1440.")

    class Meta:
        db_table = "policy_windows"
        ordering = ["policy", "days", "from_minute", "id"]
        constraints = [
            ColumnTypes(name="policy_window_column_types"),
            models.CheckConstraint(condition=Q(days__gte=1, days__lte=127), name="window_has_days"),
            models.CheckConstraint(
                condition=Q(from_minute__gte=0, from_minute__lt=MINUTES_OF_A_DAY)
                & Q(to_minute__gte=0, to_minute__lte=MINUTES_OF_A_DAY)
                & ~Q(from_minute=F("to_minute")),
                name="window_has_a_length",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.days}: {self.from_minute}-{self.to_minute}"


class PolicyScope(models.Model):
    """Where a policy applies. `kind` says which of the columns name it: a vCenter; a folder of a
    vCenter and all below it, an inventory path without the last slash; VMs whose names match a
    pattern; one VM. `own`: the VM whose own values the policy is.

    `own_context_id` is computed by the database; with it a VM's own values are that VM's alone."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="scopes")
    kind = models.CharField(max_length=12, choices=ScopeKind.choices)
    vcenter = models.ForeignKey(
        "contexts.VCenter",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="policy_scopes",
        verbose_name="vCenter",
    )
    folder = models.TextField(blank=True, default="")
    pattern = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="* stands for any characters, ? for one; upper and lower case are the same.",
    )
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="policy_scopes",
        verbose_name="VM context",
    )
    takes_new = models.BooleanField(
        default=False,
        help_text="Whether VMs that a discovery finds there are taken under management.",
    )
    created_by = models.CharField(max_length=150)
    created_at = MomentField(auto_now_add=True)
    own_context_id = models.GeneratedField(
        expression=Case(When(kind=ScopeKind.OWN.value, then=F("vm_context")), default=Value(None)),
        output_field=models.CharField(max_length=120, null=True),
        db_persist=True,
    )

    class Meta:
        db_table = "policy_scopes"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="policy_scope_column_types"),
            models.CheckConstraint(
                condition=Q(
                    kind=ScopeKind.INSTALLATION,
                    vcenter__isnull=True,
                    vm_context__isnull=True,
                    folder="",
                    pattern="",
                    takes_new=False,
                )
                | Q(
                    kind=ScopeKind.VCENTER,
                    vcenter__isnull=False,
                    vm_context__isnull=True,
                    folder="",
                    pattern="",
                )
                | Q(
                    kind=ScopeKind.FOLDER,
                    vcenter__isnull=False,
                    vm_context__isnull=True,
                    folder__startswith="/",
                    pattern="",
                )
                | Q(
                    kind=ScopeKind.NAME,
                    vcenter__isnull=True,
                    vm_context__isnull=True,
                    folder="",
                )
                & ~Q(pattern="")
                | Q(
                    kind__in=[ScopeKind.VM, ScopeKind.OWN],
                    vcenter__isnull=True,
                    vm_context__isnull=False,
                    folder="",
                    pattern="",
                    takes_new=False,
                ),
                name="scope_names_what_its_kind_needs",
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(kind=ScopeKind.INSTALLATION),
                name="scope_once_for_all",
            ),
            models.UniqueConstraint(
                fields=["kind", "vcenter", "folder"], name="scope_once_per_folder"
            ),
            models.UniqueConstraint(
                fields=["pattern"], condition=Q(kind=ScopeKind.NAME), name="scope_once_per_pattern"
            ),
            models.UniqueConstraint(fields=["kind", "vm_context"], name="scope_once_per_vm"),
            CompositeForeignKey(
                name="scope_of_own_values_is_of_their_vm",
                fields=("policy", "own_context_id"),
                to_table="policies",
                to_columns=("id", "vm_context_id"),
                violation_error_message="A VM's own values apply to that VM alone.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of policy {self.policy_id}"


def _source(of: str) -> models.ForeignKey[PolicyScope | None, PolicyScope | None]:
    return models.ForeignKey(
        PolicyScope,
        null=True,
        blank=True,
        # What is derived must never make a delete fail.
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        help_text=f"The place that says {of}; null: none does.",
    )


class EffectivePolicy(PolicyValues):
    """What follows from the policies for one VM, with where each group of values comes from.
    Derived, and made again when it is missing or its `of_…` differ from what is true now
    (`replication.policies.settle`)."""

    vm_context = models.OneToOneField(
        "contexts.VMContext",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="effective_policy",
        verbose_name="VM context",
    )
    policy = models.ForeignKey(
        Policy,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="effective",
        help_text="The nearest policy with a name that says anything for this VM.",
    )
    when_from = _source("when it is replicated")
    retention_from = _source("what is kept")
    quiesce_from = _source("how it is quiesced")
    limits_from = _source("what its limits are")
    checks_from = _source("how often it is compared")
    verify_from = _source("how often it is verified")
    priority_from = _source("which priority it has")
    of_generation = models.PositiveBigIntegerField()
    of_name = models.TextField(blank=True, default="")
    of_path = models.TextField(blank=True, default="")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "effective_policies"
        verbose_name_plural = "effective policies"
        ordering = ["vm_context"]
        constraints = [
            ColumnTypes(name="effective_policy_column_types"),
            models.CheckConstraint(
                condition=~Q(rpo_kind="")
                & ~Q(retention_kind="")
                & ~Q(quiesce="")
                & ~Q(priority=""),
                name="effective_policy_is_complete",
            ),
            *_rules_of_values("effective_policy"),
        ]

    def __str__(self) -> str:
        return f"what is in effect for {self.vm_context_id}"


class PolicyTaking(models.Model):
    """Up to which discovery of a vCenter new VMs were looked at by the policies that take them."""

    vcenter = models.OneToOneField(
        "contexts.VCenter",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="policy_taking",
        verbose_name="vCenter",
    )
    of_discovery = models.ForeignKey(
        "contexts.Discovery", on_delete=models.CASCADE, related_name="+"
    )

    class Meta:
        db_table = "policy_takings"
        ordering = ["vcenter"]
        constraints = [ColumnTypes(name="policy_taking_column_types")]

    def __str__(self) -> str:
        return f"{self.vcenter_id} up to {self.of_discovery_id}"
