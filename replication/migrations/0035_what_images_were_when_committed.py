"""What the files of an image were when it was committed: any later change of them is noticed."""

from django.db import migrations, models

from contexts.constraints import AddTypedField


class Migration(migrations.Migration):
    dependencies = [("replication", "0034_chunk_maps")]

    operations = [
        AddTypedField(
            model_name="diskimage",
            name="as_committed",
            field=models.TextField(
                blank=True,
                default="",
                help_text="Length, times and inode of its files when it was committed, or last"
                " proven: any later change of them is noticed. Empty: not known.",
            ),
        ),
    ]
