from django.db import migrations, models

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0020_pause_what_was_never_asked_for"),
    ]

    operations = [
        contexts.constraints.AddTypedField(
            model_name="diskimage",
            name="is_committed",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(state="committed", then=models.Value(1)),
                    default=models.Value(None),
                ),
                output_field=models.SmallIntegerField(null=True),
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=models.UniqueConstraint(
                fields=("id", "is_committed"), name="image_with_its_being_committed"
            ),
        ),
        migrations.AddConstraint(
            model_name="diskimage",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("parent", "is_committed"),
                name="image_parent_is_committed",
                to_columns=("id", "is_committed"),
                to_table="disk_images",
            ),
        ),
    ]
