"""The events of each VM become a chain, in which those that are there already are the first ones."""

import django.db.models.deletion
from django.db import connections, migrations, models

import contexts.constraints
from contexts.chain import BEGINNING

AT_ONCE = 5000


def chain_older(apps, schema_editor):
    """Number, digest and seal of each event; memory does not grow with them."""
    from contexts.services.events import FIELDS, digest, seal

    alias = schema_editor.connection.alias
    Context, Event, Head = (
        apps.get_model("contexts", name)
        for name in ("VMContext", "ContextEvent", "ContextEventHead")
    )
    columns = [name for name in FIELDS if name not in ("number", "told_job_id")]
    heads, newest, rows, after = [], {}, [], 0
    while True:
        events = Event.objects.using(alias).filter(pk__gt=after).order_by("pk")
        found = list(events.values("pk", "job_id", *columns)[:AT_ONCE])
        for event in found:
            number, previous = newest.get(event["vm_context_id"], (0, BEGINNING))
            told = event | {"number": number + 1, "told_job_id": event["job_id"] or ""}
            made = digest(previous, [told[name] for name in FIELDS])
            newest[event["vm_context_id"]] = number + 1, made
            rows.append((number + 1, told["told_job_id"], made, seal(made), event["pk"]))
        _write(alias, rows)
        if len(found) < AT_ONCE:
            break
        after, rows = found[-1]["pk"], []
    for key in Context.objects.using(alias).order_by("pk").values_list("pk", flat=True):
        number, made = newest.get(key, (0, BEGINNING))
        heads.append(Head(vm_context_id=key, number=number, digest=made))
    Head.objects.using(alias).bulk_create(heads, batch_size=AT_ONCE)


def _write(alias, rows):
    with connections[alias].cursor() as cursor:
        cursor.executemany(
            "UPDATE context_events SET number = %s, told_job_id = %s, digest = %s, seal = %s"
            " WHERE id = %s",
            rows,
        )


class Migration(migrations.Migration):
    dependencies = [
        ("contexts", "0016_secrets_with_what_they_are_for"),
        ("replication", "0032_manifests_of_what_is_stored"),
    ]

    operations = [
        migrations.CreateModel(
            name="ContextEventHead",
            fields=[
                (
                    "vm_context",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="event_head",
                        serialize=False,
                        to="contexts.vmcontext",
                        verbose_name="VM context",
                    ),
                ),
                ("number", models.PositiveBigIntegerField(default=0)),
                ("digest", models.CharField(default=BEGINNING, max_length=64)),
            ],
            options={
                "verbose_name": "head of a VM's events",
                "verbose_name_plural": "heads of VMs' events",
                "db_table": "context_event_heads",
                "constraints": [contexts.constraints.ColumnTypes(name="event_head_column_types")],
            },
        ),
        contexts.constraints.AddTypedField(
            model_name="contextevent",
            name="number",
            field=models.PositiveBigIntegerField(
                default=0, help_text="From 1, without gaps, among the events of the VM."
            ),
            preserve_default=False,
        ),
        contexts.constraints.AddTypedField(
            model_name="contextevent",
            name="told_job_id",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The job's, also once the job is deleted.",
                max_length=64,
                verbose_name="job ID",
            ),
        ),
        contexts.constraints.AddTypedField(
            model_name="contextevent",
            name="digest",
            field=models.CharField(
                default="",
                help_text="SHA-256 of the digest before it and of all that is told.",
                max_length=64,
            ),
            preserve_default=False,
        ),
        contexts.constraints.AddTypedField(
            model_name="contextevent",
            name="seal",
            field=models.CharField(
                default="",
                help_text=(
                    "HMAC-SHA-256 of the digest: nobody makes it without a key of this"
                    " installation."
                ),
                max_length=64,
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="contextevent",
            name="created_at",
            field=models.DateTimeField(),
        ),
        migrations.AlterField(
            model_name="contextevent",
            name="vm_context",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="contexts.vmcontext",
                verbose_name="VM context",
            ),
        ),
        migrations.RunPython(chain_older, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="contextevent",
            constraint=models.UniqueConstraint(
                fields=("vm_context", "number"), name="event_followed_by_one"
            ),
        ),
    ]
