"""Only help texts change: the database stays as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0009_places_and_transports"),
    ]

    operations = [
        migrations.AlterField(
            model_name="discoveredvm",
            name="devices_version",
            field=models.CharField(
                blank=True,
                default="",
                help_text="While it stays the same, the devices are not read again; empty: always read.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="identity_rejected_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When an operator said that this is another VM than the known one it looks like.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="notices",
            field=models.JSONField(
                default=list,
                help_text="What to know before taking it: code, summary, text. Such VMs are taken one by one.",
            ),
        ),
        migrations.AlterField(
            model_name="discoveredvm",
            name="unreadable_since",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when vCenter has left out something about it, or vmrep did not understand it; what was known before is kept.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="former_instance_uuid",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="The instance UUID before an operator confirmed that the vCenter was rebuilt.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="found_instance_uuid",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="Another vCenter that answered at this address; an operator decides about it.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="login_refused_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Since then vmrep does not log in by itself: that might lock the account.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="vcenter",
            name="login_tried_until",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Until then, no other worker logs in.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="identity_asked_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When its vCenter was replaced; it is not replicated until an operator confirms the VM.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="vmcontext",
            name="transport_reason",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Why no better transport was used; empty if there is none.",
            ),
        ),
    ]
