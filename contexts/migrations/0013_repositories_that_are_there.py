from django.db import migrations

import contexts.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0012_figures_of_protection"),
        ("replication", "0024_repositories_that_were_removed"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="vmcontext",
            constraint=contexts.constraints.CompositeForeignKey(
                fields=("repository",),
                name="context_repository_is_there",
                to_columns=("present_id",),
                to_table="repositories",
                violation_error_message="This repository has been removed. Choose another one.",
            ),
        ),
    ]
