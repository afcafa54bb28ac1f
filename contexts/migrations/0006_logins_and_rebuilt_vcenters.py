"""A refused login is remembered, and so is that a vCenter was rebuilt and by whom that was said."""

from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0005_help_texts"),
    ]

    operations = [
        # They name every column: they go before one is added, or dropped on the way back.
        migrations.RemoveConstraint(model_name="vcenter", name="vcenter_column_types"),
        migrations.RemoveConstraint(model_name="vmcontext", name="context_column_types"),
        migrations.AddField(
            model_name="vcenter",
            name="former_instance_uuid",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Of the vCenter before this one, which somebody said was rebuilt.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="found_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="found_instance_uuid",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Another vCenter that answered at this address, for somebody to decide about.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="login_refused_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Since then vmrep does not log in by itself: it would lock the account.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="login_refused_why",
            field=models.TextField(blank=True, default="", editable=False),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="login_tried_until",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="One login at a time is tried.", null=True
            ),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="replaced_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="vcenter",
            name="replaced_by",
            field=models.CharField(blank=True, default="", editable=False, max_length=150),
        ),
        migrations.AddField(
            model_name="vmcontext",
            name="identity_asked_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Since its vCenter was replaced, somebody has to say which VM it is.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("login_refused_at__isnull", True), ("login_refused_why", "")),
                    models.Q(
                        ("login_refused_at__isnull", False),
                        models.Q(("login_refused_why", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="vcenter_refusal_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("found_at__isnull", True), ("found_instance_uuid", "")),
                    models.Q(
                        ("found_at__isnull", False),
                        models.Q(("found_instance_uuid", ""), _negated=True),
                        models.Q(("found_instance_uuid", models.F("instance_uuid")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="vcenter_found_is_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("former_instance_uuid", ""),
                        ("replaced_at__isnull", True),
                        ("replaced_by", ""),
                    ),
                    models.Q(
                        ("replaced_at__isnull", False),
                        models.Q(("replaced_by", ""), _negated=True),
                        models.Q(("former_instance_uuid", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="vcenter_replacement_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="vcenter",
            constraint=contexts.constraints.ColumnTypes(name="vcenter_column_types"),
        ),
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=contexts.constraints.ColumnTypes(name="context_column_types"),
        ),
    ]
