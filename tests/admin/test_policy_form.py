"""Policies in the admin go through the services, too."""

from __future__ import annotations

from contexts.models import VMContext
from replication.models import Policy
from replication.policies import services
from replication.policies.services import Where
from replication.policies.values import COLUMNS
from tests import factories
from tests.admin.estate import address

EMPTY = dict.fromkeys(COLUMNS, "") | {"repository": "", "time_zone": "UTC"}
EMPTY |= {
    f"{prefix}-{name}": 0
    for prefix in ("scopes", "windows")
    for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}


def errors(answer) -> dict:
    assert answer.status_code == 200
    return answer.context["adminform"].form.errors


def test_a_policy_is_added_changed_and_deleted_by_the_services(admin, said):
    calendar = {"rpo_kind": "calendar", "cron": "0 3 * * *"}
    answer = admin.post(address(Policy, "add"), EMPTY | calendar | {"name": "Nights"})
    assert answer.status_code == 302
    policy = Policy.objects.get(name="Nights")
    assert (policy.rpo_target_seconds, policy.latest_start_minutes) == (25 * 3600, 60)
    vm = factories.context("db-1")
    services.assign(policy, Where("vm", vm_context=vm), actor="x")

    change = address(Policy, "change", policy.pk)
    shown = admin.get(change).context["adminform"].form.initial
    again = EMPTY | {"name": "Nights"} | {key: shown[key] or "" for key in COLUMNS}
    assert admin.post(change, again).status_code == 302, "unchanged, as it is shown"
    target = {"name": "Hourly", "rpo_kind": "target", "rpo_target_seconds": 3600}
    assert admin.post(change, EMPTY | target).status_code == 302
    assert VMContext.objects.get().rpo_target_seconds == 3600
    assert vm.events.latest("id").actor == "chief"

    delete = address(Policy, "delete", policy.pk)
    assert "still applies" in said(admin.post(delete, {"post": "yes"}))[-1]
    services.unassign(policy.scopes.get(), actor="x")
    assert admin.post(delete, {"post": "yes"}).status_code == 302
    assert not Policy.objects.filter(name="Hourly").exists()


def test_what_no_policy_can_say_is_an_error_of_its_field(admin):
    for body, fields in (
        ({"name": ""}, ["name"]),
        ({"name": "Default"}, ["name"]),
        ({"rpo_kind": "target"}, ["rpo_target_seconds"]),
        ({"rpo_kind": "target", "rpo_target_seconds": 7}, ["rpo_target_seconds"]),
        ({"rpo_kind": "calendar", "cron": "x"}, ["cron"]),
        ({"retention_kind": "rules"}, ["retention_kind"]),
        ({"keep_last": 3, "time_zone": "Nowhere"}, ["time_zone", "keep_last"]),
    ):
        answer = admin.post(address(Policy, "add"), EMPTY | {"name": "New"} | body)
        assert list(errors(answer)) == fields, body
    assert Policy.objects.count() == 1


def test_a_vm_s_own_values_are_not_among_the_policies(admin):
    vm = factories.context()
    services.set_own(vm, services.target(900), actor="x")
    own = Policy.objects.get(vm_context=vm)
    assert admin.get(address(Policy, "change", own.pk)).status_code == 302
