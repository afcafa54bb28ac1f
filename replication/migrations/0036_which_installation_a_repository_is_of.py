"""Which installation a repository is told it is of, and what this database's manifests begin with."""

from django.db import migrations, models

from contexts.constraints import AddTypedField


class Migration(migrations.Migration):
    dependencies = [
        ("replication", "0035_what_images_were_when_committed"),
    ]

    operations = [
        AddTypedField(
            model_name="installation",
            name="uuid",
            field=models.UUIDField(
                blank=True,
                editable=False,
                help_text="By which repositories tell installations apart. A copy of the database has it, too.",
                null=True,
            ),
        ),
        AddTypedField(
            model_name="replicamanifest",
            name="given_digests",
            field=models.TextField(
                blank=True,
                default="",
                help_text="What the files of the latest versions begin with, one a line. Another one in the repository was written from another database. Empty: not known.",
            ),
        ),
    ]
