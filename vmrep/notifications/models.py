"""Channels, the rules of what goes out by which, and what became of each message."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from contexts.constraints import ColumnTypes
from contexts.fields import MomentField, SealedField
from replication.states import OccurrenceKind
from vmrep.notifications.states import (
    OPEN_STATES,
    ChannelKind,
    DeliveryState,
    Purpose,
    RuleScope,
)

MINUTES_OF_A_DAY = 1440


class Channel(models.Model):
    """A way to people. What is needed to use it is encrypted, and never shown."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=ChannelKind.choices)
    config_encrypted = SealedField(
        editable=False, what="settings", bound_to=("kind", "address_shown")
    )
    address_shown = models.CharField(
        max_length=255, editable=False, help_text="Where it leads, without anything secret."
    )
    enabled = models.BooleanField(default=True)
    quiet_from_minute = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Of the day in its time zone; null: no quiet hours."
    )
    quiet_to_minute = models.PositiveSmallIntegerField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    digest_after = models.PositiveSmallIntegerField(
        default=5, help_text="How many messages go out by themselves within `digest_seconds`."
    )
    digest_seconds = models.PositiveIntegerField(default=60)
    report_at_minute = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Of the day in its time zone, when the report of the day before is sent; null: it"
        " is not.",
    )
    last_ok_at = models.DateTimeField(null=True, blank=True)
    last_problem = models.TextField(
        blank=True, default="", help_text="Why the last message did not go out; empty if it did."
    )
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    class Meta:
        db_table = "notification_channels"
        ordering = ["name"]
        constraints = [
            ColumnTypes(name="channel_column_types"),
            models.CheckConstraint(
                condition=Q(kind__in=ChannelKind.values), name="channel_kind_known"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="channel_is_named"),
            models.CheckConstraint(
                condition=Q(quiet_from_minute__isnull=True, quiet_to_minute__isnull=True)
                | Q(
                    ~Q(quiet_from_minute=F("quiet_to_minute")),
                    quiet_from_minute__isnull=False,
                    quiet_from_minute__lt=MINUTES_OF_A_DAY,
                    quiet_to_minute__isnull=False,
                    quiet_to_minute__lt=MINUTES_OF_A_DAY,
                ),
                name="channel_quiet_hours_possible",
            ),
            models.CheckConstraint(
                condition=Q(digest_after__gte=1, digest_seconds__gte=1),
                name="channel_digest_possible",
            ),
            models.CheckConstraint(
                condition=Q(report_at_minute__isnull=True)
                | Q(report_at_minute__lt=MINUTES_OF_A_DAY),
                name="channel_report_time_possible",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Rule(models.Model):
    """Which occurrences go out by a channel. Without rows of `RuleKind`: those of every kind."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="rules")
    scope = models.CharField(max_length=10, choices=RuleScope.choices, default=RuleScope.ALL)
    vcenter = models.ForeignKey(
        "contexts.VCenter",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="notification_rules",
        verbose_name="vCenter",
    )
    vm_context = models.ForeignKey(
        "contexts.VMContext",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="notification_rules",
        verbose_name="VM context",
    )
    policy = models.ForeignKey(
        "replication.Policy",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="notification_rules",
        help_text="The nearest policy with a name that says anything for a VM is that VM's.",
    )
    even_when_quiet = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        db_table = "notification_rules"
        ordering = ["channel", "id"]
        constraints = [
            ColumnTypes(name="rule_column_types"),
            models.CheckConstraint(
                condition=Q(scope=RuleScope.ALL, vcenter=None, policy=None, vm_context=None)
                | Q(scope=RuleScope.VCENTER, vcenter__isnull=False, policy=None, vm_context=None)
                | Q(scope=RuleScope.POLICY, vcenter=None, policy__isnull=False, vm_context=None)
                | Q(scope=RuleScope.VM, vcenter=None, policy=None, vm_context__isnull=False),
                name="rule_scope_names_its_object",
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.pk}"


class RuleKind(models.Model):
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="kinds")
    kind = models.CharField(max_length=30, choices=OccurrenceKind.choices)

    class Meta:
        db_table = "notification_rule_kinds"
        ordering = ["id"]
        constraints = [
            ColumnTypes(name="rule_kind_column_types"),
            models.CheckConstraint(
                condition=Q(kind__in=OccurrenceKind.values), name="rule_kind_known"
            ),
            models.UniqueConstraint(fields=["rule", "kind"], name="rule_kind_once"),
        ]

    def __str__(self) -> str:
        return self.kind


class Delivery(models.Model):
    """A message by one channel, and what became of it. It may go out twice, when a process dies
    between sending and recording; never without `message_id`, which stays the same."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    rule = models.ForeignKey(
        Rule, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries"
    )
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    occurrence = models.ForeignKey(
        "replication.Occurrence",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="deliveries",
    )
    report_day = models.DateField(null=True, blank=True, help_text="Which day it reports.")
    digest = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="members",
        help_text="The digest in which its occurrence is told.",
    )
    state = models.CharField(
        max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING
    )
    is_urgent = models.BooleanField(default=False, help_text="It goes out in quiet hours, too.")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(
        blank=True, default="", help_text="What the other side last said, or why it said nothing."
    )
    message_id = models.UUIDField(unique=True, default=uuid.uuid4)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        db_table = "notification_deliveries"
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        constraints = [
            ColumnTypes(name="delivery_column_types"),
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="delivery_state_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    purpose=Purpose.OCCURRENCE, occurrence__isnull=False, report_day__isnull=True
                )
                | Q(purpose=Purpose.REPORT, occurrence__isnull=True, report_day__isnull=False)
                | Q(
                    purpose__in=(Purpose.DIGEST, Purpose.TEST),
                    occurrence__isnull=True,
                    report_day__isnull=True,
                ),
                name="delivery_purpose_fits",
            ),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.SENT) | Q(sent_at__isnull=False),
                name="delivery_sent_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.SENDING) | Q(claimed_at__isnull=False),
                name="delivery_sending_is_claimed",
            ),
            # However often the outbox is emptied, an occurrence goes out by a channel once.
            models.UniqueConstraint(
                fields=["occurrence", "channel"], name="delivery_once_per_channel"
            ),
            models.UniqueConstraint(
                fields=["report_day", "channel"], name="delivery_report_once_per_channel"
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel", "next_attempt_at"],
                condition=Q(state__in=OPEN_STATES),
                name="delivery_open",
            ),
            models.Index(fields=["channel", "sent_at"], name="delivery_sent"),
            models.Index(fields=["created_at"], name="delivery_made"),
        ]

    def __str__(self) -> str:
        return str(self.message_id)
