"""Since when Redis has answered a process, and when it was back after a gap in its signs."""

from django.db import migrations, models

from contexts.constraints import AddTypedField


class Migration(migrations.Migration):
    dependencies = [("replication", "0032_manifests_of_what_is_stored")]

    operations = [
        AddTypedField(
            model_name="signoflife",
            name="back_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it gave a sign again after a gap in which it counted as dead.",
                null=True,
            ),
        ),
        AddTypedField(
            model_name="signoflife",
            name="broker_since",
            field=models.DateTimeField(
                blank=True, help_text="Since when Redis has answered it each time.", null=True
            ),
        ),
    ]
