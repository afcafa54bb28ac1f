"""Channels, rules and deliveries."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0012_occurrences_and_spells"),
    ]

    operations = [
        migrations.CreateModel(
            name="Channel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("email", "E-mail"),
                            ("webhook", "Signed webhook"),
                            ("apprise", "Chat or push service (apprise)"),
                        ],
                        max_length=10,
                    ),
                ),
                ("config_encrypted", models.TextField(editable=False)),
                (
                    "address_shown",
                    models.CharField(
                        editable=False,
                        help_text="Where it leads, without anything secret.",
                        max_length=255,
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "quiet_from_minute",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Of the day in its time zone; null: no quiet hours.",
                        null=True,
                    ),
                ),
                ("quiet_to_minute", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                (
                    "digest_after",
                    models.PositiveSmallIntegerField(
                        default=5,
                        help_text="How many messages go out by themselves within `digest_seconds`.",
                    ),
                ),
                ("digest_seconds", models.PositiveIntegerField(default=60)),
                ("last_ok_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_problem",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Why the last message did not go out; empty if it did.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "notification_channels",
                "ordering": ["name"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="channel_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["email", "webhook", "apprise"])),
                        name="channel_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="channel_is_named"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("quiet_from_minute__isnull", True),
                                ("quiet_to_minute__isnull", True),
                            ),
                            models.Q(
                                models.Q(
                                    ("quiet_from_minute", models.F("quiet_to_minute")),
                                    _negated=True,
                                ),
                                ("quiet_from_minute__isnull", False),
                                ("quiet_from_minute__lt", 1440),
                                ("quiet_to_minute__isnull", False),
                                ("quiet_to_minute__lt", 1440),
                            ),
                            _connector="OR",
                        ),
                        name="channel_quiet_hours_possible",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("digest_after__gte", 1), ("digest_seconds__gte", 1)),
                        name="channel_digest_possible",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Rule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("all", "Everything"),
                            ("vcenter", "One vCenter and its VMs"),
                            ("vm", "One VM"),
                        ],
                        default="all",
                        max_length=10,
                    ),
                ),
                ("even_when_quiet", models.BooleanField(default=False)),
                ("enabled", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rules",
                        to="notifications.channel",
                    ),
                ),
                (
                    "vcenter",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notification_rules",
                        to="contexts.vcenter",
                        verbose_name="vCenter",
                    ),
                ),
                (
                    "vm_context",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notification_rules",
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
            ],
            options={
                "db_table": "notification_rules",
                "ordering": ["channel", "id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="rule_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("scope", "all"),
                                ("vcenter__isnull", True),
                                ("vm_context__isnull", True),
                            ),
                            models.Q(
                                ("scope", "vcenter"),
                                ("vcenter__isnull", False),
                                ("vm_context__isnull", True),
                            ),
                            models.Q(
                                ("scope", "vm"),
                                ("vcenter__isnull", True),
                                ("vm_context__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="rule_scope_names_its_object",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("occurrence", "Occurrence"),
                            ("digest", "Digest"),
                            ("test", "Test"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("held", "Held until the quiet hours end"),
                            ("sending", "Being sent"),
                            ("sent", "Sent"),
                            ("in_digest", "Told in a digest"),
                            ("given_up", "Given up"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "is_urgent",
                    models.BooleanField(
                        default=False, help_text="It goes out in quiet hours, too."
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField()),
                ("claimed_at", models.DateTimeField(blank=True, null=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                (
                    "answer",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="What the other side last said, or why it said nothing.",
                    ),
                ),
                ("message_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="notifications.channel",
                    ),
                ),
                (
                    "digest",
                    models.ForeignKey(
                        blank=True,
                        help_text="The digest in which its occurrence is told.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="members",
                        to="notifications.delivery",
                    ),
                ),
                (
                    "occurrence",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="replication.occurrence",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="deliveries",
                        to="notifications.rule",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "db_table": "notification_deliveries",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("waiting", "held", "sending"))),
                        fields=["channel", "next_attempt_at"],
                        name="delivery_open",
                    ),
                    models.Index(fields=["channel", "sent_at"], name="delivery_sent"),
                    models.Index(fields=["created_at"], name="delivery_made"),
                ],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="delivery_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["waiting", "held", "sending", "sent", "in_digest", "given_up"],
                            )
                        ),
                        name="delivery_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("occurrence__isnull", False), ("purpose", "occurrence")),
                            models.Q(
                                ("occurrence__isnull", True), ("purpose__in", ("digest", "test"))
                            ),
                            _connector="OR",
                        ),
                        name="delivery_purpose_fits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "sent"), _negated=True),
                            ("sent_at__isnull", False),
                            _connector="OR",
                        ),
                        name="delivery_sent_has_its_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "sending"), _negated=True),
                            ("claimed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="delivery_sending_is_claimed",
                    ),
                    models.UniqueConstraint(
                        fields=("occurrence", "channel"), name="delivery_once_per_channel"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RuleKind",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("job_failed", "Replication failed"),
                            ("over_target", "VM over its target"),
                            ("broken", "VM broken"),
                            ("unprotected", "VM unprotected"),
                            ("recovered", "VM recovered"),
                            ("worker_dead", "No worker"),
                            ("beat_dead", "No beat"),
                            ("tick_late", "No tick"),
                            ("redis_dead", "Redis does not answer"),
                            ("vcenter_away", "vCenter does not answer"),
                            ("repository_away", "Repository cannot be used"),
                            ("space_short", "Space short"),
                            ("trouble_over", "Trouble over"),
                        ],
                        max_length=30,
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="kinds",
                        to="notifications.rule",
                    ),
                ),
            ],
            options={
                "db_table": "notification_rule_kinds",
                "ordering": ["id"],
                "constraints": [
                    contexts.constraints.ColumnTypes(name="rule_kind_column_types"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "job_failed",
                                    "over_target",
                                    "broken",
                                    "unprotected",
                                    "recovered",
                                    "worker_dead",
                                    "beat_dead",
                                    "tick_late",
                                    "redis_dead",
                                    "vcenter_away",
                                    "repository_away",
                                    "space_short",
                                    "trouble_over",
                                ],
                            )
                        ),
                        name="rule_kind_known",
                    ),
                    models.UniqueConstraint(fields=("rule", "kind"), name="rule_kind_once"),
                ],
            },
        ),
    ]
