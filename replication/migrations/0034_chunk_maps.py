"""The digests of the chunk maps of images, and of those that are being merged."""

from django.db import migrations, models

from contexts.constraints import AddTypedField


class Migration(migrations.Migration):
    dependencies = [("replication", "0033_since_when_signs_come")]

    operations = [
        AddTypedField(
            model_name="diskimage",
            name="map_digest",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The digest of its chunk map; empty: it has none yet.",
                max_length=64,
            ),
        ),
        AddTypedField(
            model_name="imagemerge",
            name="map_digest",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Of the merged file's chunk map; empty: it has none.",
                max_length=64,
            ),
        ),
    ]
