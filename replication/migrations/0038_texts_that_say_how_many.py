"""Help texts only: the database stays as it is."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("replication", "0037_verifications"),
    ]

    operations = [
        migrations.AlterField(
            model_name="bulkaction",
            name="claimed_until",
            field=models.DateTimeField(
                blank=True,
                help_text="Until then a worker works on it, if it still lives.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="bulkaction",
            name="reason",
            field=models.CharField(
                blank=True, default="", help_text="Why they are paused.", max_length=200
            ),
        ),
        migrations.AlterField(
            model_name="bulkaction",
            name="total",
            field=models.PositiveIntegerField(help_text="How many VMs it is for."),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="checks_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="The place that says how often it is compared; null: none does.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="replication.policyscope",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="compare_every_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How often a job compares every disk whole; 0: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="compare every (days)",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="give_up_after_minutes",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="After how long a scheduled job that has not started is cancelled; 0: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="give up after (minutes)",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="keep_daily",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many days the newest recovery point of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="keep_hourly",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many hours the newest recovery point of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="keep_last",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How many of the newest recovery points are kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="keep_monthly",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many months the newest recovery point of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="keep_weekly",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many weeks (from Monday) the newest of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="keep_yearly",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many years the newest recovery point of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="limits_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="The place that says what its limits are; null: none does.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="replication.policyscope",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="most_running",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How many jobs of its VMs run at once; 0: no limit.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="jobs at once",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="priority_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="The place that says which priority it has; null: none does.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="replication.policyscope",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="quiesce_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="The place that says how it is quiesced; null: none does.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="replication.policyscope",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="retention_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="The place that says what is kept; null: none does.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="replication.policyscope",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="time_zone",
            field=models.CharField(
                default="UTC",
                help_text="For the calendar, the hours when a replication may start, and the days that retention counts: Europe/Berlin, for example.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="verify_every_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How often the newest recovery point is read back; 0: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="verify every (days)",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="verify_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="The place that says how often it is verified; null: none does.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="replication.policyscope",
            ),
        ),
        migrations.AlterField(
            model_name="effectivepolicy",
            name="when_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="The place that says when it is replicated; null: none does.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="replication.policyscope",
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="compare_every_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How often a job compares every disk whole; 0: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="compare every (days)",
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="give_up_after_minutes",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="After how long a scheduled job that has not started is cancelled; 0: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="give up after (minutes)",
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="keep_daily",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many days the newest recovery point of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="keep_hourly",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many hours the newest recovery point of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="keep_last",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How many of the newest recovery points are kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="keep_monthly",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many months the newest recovery point of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="keep_weekly",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many weeks (from Monday) the newest of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="keep_yearly",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="For how many years the newest recovery point of each is kept.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="most_running",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How many jobs of its VMs run at once; 0: no limit.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="jobs at once",
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="repository",
            field=models.ForeignKey(
                blank=True,
                help_text="For VMs that it takes under management, and VMs without a repository.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="policies",
                to="replication.repository",
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="time_zone",
            field=models.CharField(
                default="UTC",
                help_text="For the calendar, the hours when a replication may start, and the days that retention counts: Europe/Berlin, for example.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="policy",
            name="verify_every_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How often the newest recovery point is read back; 0: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(32767)],
                verbose_name="verify every (days)",
            ),
        ),
        migrations.AlterField(
            model_name="repository",
            name="reserve_bytes",
            field=models.BigIntegerField(
                blank=True,
                help_text="How much must stay free: no replication begins with less. Null: the default.",
                null=True,
            ),
        ),
    ]
