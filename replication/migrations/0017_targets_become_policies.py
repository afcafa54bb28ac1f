"""What was wanted so far becomes policies: the default target that of the policy for all VMs, and a
VM's own target its own values. (A target of less than a minute, which the API accepted and no
recovery point met, becomes a minute.)"""

from typing import Any

from django.db import migrations

SHORTEST_TARGET_SECONDS = 60
AT_ONCE = 1000


def make_policies(apps: Any, schema_editor: Any) -> None:
    make_default(apps)
    contexts = apps.get_model("contexts", "VMContext").objects.filter(
        rpo_target_seconds__isnull=False
    )
    policies = apps.get_model("replication", "Policy").objects
    scopes = apps.get_model("replication", "PolicyScope").objects
    wanted = list(contexts.order_by("pk").values_list("pk", "rpo_target_seconds"))
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        policies.bulk_create(
            policies.model(
                vm_context_id=key,
                rpo_kind="target",
                rpo_target_seconds=max(seconds, SHORTEST_TARGET_SECONDS),
            )
            for key, seconds in some
        )
        made = policies.filter(vm_context__in=[key for key, _ in some])
        scopes.bulk_create(
            scopes.model(
                kind="own", policy=own, vm_context_id=own.vm_context_id, created_by="vmrep"
            )
            for own in made
        )


def make_default(apps: Any) -> None:
    installation = apps.get_model("replication", "Installation").objects.first()
    seconds = installation.default_rpo_target_seconds if installation else None
    if seconds is None:
        when = {"rpo_kind": "none"}
    else:
        when = {"rpo_kind": "target", "rpo_target_seconds": max(seconds, SHORTEST_TARGET_SECONDS)}
    default = apps.get_model("replication", "Policy").objects.create(
        name="Default",
        retention_kind="all",
        quiesce="when_possible",
        priority="normal",
        **when,
    )
    apps.get_model("replication", "PolicyScope").objects.create(
        kind="installation", policy=default, created_by="vmrep"
    )


class Migration(migrations.Migration):
    dependencies = [("replication", "0016_policies"), ("contexts", "0012_figures_of_protection")]

    operations = [migrations.RunPython(make_policies, migrations.RunPython.noop)]
