"""Nothing that a sender says vanishes: every address, with what it does not know and what is of
the wrong type, answers 400 and names it. The tables are made from the code's own declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from rest_framework import serializers

from contexts.filters import DiscoveredVMFilter, VCenterFilter
from contexts.models import ContextEvent, Discovery, VCenter, VMContext
from contexts.models.specs import SPEC_NAMES
from replication.filters import (
    BulkActionFilter,
    BulkItemFilter,
    EventFilter,
    GroupFilter,
    GroupRunFilter,
    JobFilter,
    LogLineFilter,
    OccurrenceFilter,
    PauseFilter,
    PolicyFilter,
    ProtectedVMFilter,
    RecoveryPointFilter,
    RepositoryFilter,
    RepositorySpaceFilter,
    SampleFilter,
    StepFilter,
    VMInRepositoryFilter,
)
from replication.models import ReplicationJob
from replication.policies import services
from replication.retention.choose import Rules
from replication.services import bulk_acts
from replication.services.bulk_acts import Arguments
from tests import factories
from tests.shared_rows import shared_rows
from vmrep.api import (
    bodies,
    bulk_bodies,
    group_bodies,
    pause_bodies,
    policy_bodies,
    user_bodies,
    view_bodies,
)
from vmrep.api.urls import urlpatterns
from vmrep.notifications import services as notifications
from vmrep.notifications.filters import ChannelFilter, DeliveryFilter, RuleFilter
from vmrep.trail.filters import AuditFilter

pytestmark = pytest.mark.any_database

# Every address that takes a body, with what it takes.
BODIES: dict[str, type[bodies.Body]] = {
    "token": bodies.Login,
    "vm-contexts": bodies.Take,
    "vm-context-replications": bodies.Nothing,
    "vm-context-confirm-identity": bodies.SameVM,
    "vm-context-reject-identity": bodies.SameVM,
    "vm-context-release": bodies.Release,
    "vm-context-delete-replica-data": bodies.ConfirmDeletion,
    "replications": bodies.Identity,
    "replication-cancel": bodies.Nothing,
    "replication-retry": bodies.Nothing,
    "replication-debug-bundle": bodies.Nothing,
    "recovery-point-pin": bodies.Pin,
    "recovery-point-verification": bodies.Nothing,
    "vm-context-verification": bodies.Nothing,
    "repositories": bodies.NewRepository,
    "vm-context-move": bodies.Move,
    "vcenters": bodies.NewVCenter,
    "vcenter-discovery": bodies.Nothing,
    "integrity": bodies.Nothing,
    "notification-channels": bodies.NewChannel,
    "notification-channel-test": bodies.Nothing,
    "notification-rules": bodies.NewRule,
    "pauses": pause_bodies.NewPause,
    "bulk-actions": bulk_bodies.NewBulkAction,
    "bulk-action-cancel": bodies.Nothing,
    "groups": group_bodies.NewGroup,
    "saved-views": view_bodies.NewView,
    "users": user_bodies.NewUser,
    "user-scopes": user_bodies.NewPlace,
    "group-replications": bodies.Nothing,
    "policies": policy_bodies.NewPolicy,
    "policy-scopes": policy_bodies.NewScope,
    "policy-preview": policy_bodies.PossibleChange,
}
PAGES = {"page", "page_size", "cursor", "fields", "ordering"}
# Every address that answers a GET, with the parameters that it takes.
PARAMETERS: dict[str, set[str]] = {
    "root": set(),
    "tokens": PAGES,
    "saved-views": {"of_page", *PAGES},
    "saved-view": set(),
    "users": {"search", "is_active", *PAGES},
    "user": set(),
    "vm-contexts": {*ProtectedVMFilter.base_filters, *PAGES},
    "vm-context-lookup": {"vm_name", "vcenter_host", "vmware_vm_id"},
    "vm-context": set(),
    "vm-context-rpo-history": set(),
    "replications": {*JobFilter.base_filters, *PAGES},
    "replication": set(),
    "vcenters": {*VCenterFilter.base_filters, *PAGES},
    "vcenter": set(),
    "vcenter-discovery": {*DiscoveredVMFilter.base_filters, *PAGES},
    "repositories": {*RepositoryFilter.base_filters, *PAGES},
    "repository": set(),
    "repository-vms": {*VMInRepositoryFilter.base_filters, *PAGES},
    "repository-points": {*RecoveryPointFilter.base_filters, *PAGES},
    "repository-space": {*RepositorySpaceFilter.base_filters, *PAGES},
    "vm-context-retention-preview": {f"keep_{name}" for name in Rules._fields},
    "recovery-point": set(),
    "replication-steps": {*StepFilter.base_filters, *PAGES},
    "replication-log": {*LogLineFilter.base_filters, *PAGES},
    "replication-throughput": {*SampleFilter.base_filters, *PAGES},
    "pauses": {*PauseFilter.base_filters, *PAGES},
    "bulk-actions": {*BulkActionFilter.base_filters, *PAGES},
    "bulk-action": set(),
    "bulk-action-vms": {*BulkItemFilter.base_filters, *PAGES},
    "groups": {*GroupFilter.base_filters, *PAGES},
    "group": set(),
    "group-replications": {*GroupRunFilter.base_filters, *PAGES},
    "policies": {*PolicyFilter.base_filters, *PAGES},
    "policy": set(),
    "policy-rpo-history": set(),
    "health": set(),
    "limits": set(),
    "bandwidth": set(),
    "integrity": set(),
    "events": {*EventFilter.base_filters, *PAGES},
    "occurrences": {*OccurrenceFilter.base_filters, *PAGES},
    "audit-events": {*AuditFilter.base_filters, *PAGES},
    "report": {"day", "time_zone"},
    "notification-channels": {*ChannelFilter.base_filters, *PAGES},
    "notification-channel": set(),
    "notification-rules": {*RuleFilter.base_filters, *PAGES},
    "notification-rule": set(),
    "notification-deliveries": {*DeliveryFilter.base_filters, *PAGES},
}
WRONG = {
    bodies.Flag: ["true", 1, 0, 1.5, None, [], {}],
    serializers.CharField: [5, 1.5, True, None, [], {}],
    serializers.IntegerField: ["5", 1.5, True, None, [], {}],
    serializers.ChoiceField: ["nonsense", 5, True, None, [], {}],
    serializers.DictField: ["5", 5, True, None, [], ["5"]],
    bodies.Body: ["5", 5, True, None, ["x"]],
    serializers.ListField: ["5", 5, True, None, {}, ["5"], [1.5], [True], [None], [[]]],
}


@pytest.fixture(scope="module")
def ids(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    """What the addresses name, for all tests here."""
    with shared_rows(django_db_blocker):
        context = factories.context()
        job = factories.pending_job(factories.context("other"))
        settings = {"url": "https://hooks.example.org/", "secret": f"whsec_{'a' * 40}"}
        channel = notifications.add_channel("hook", "webhook", settings)
        rule = notifications.save_rule(channel, [])
        point = factories.completed_job(factories.context("third")).recovery_point
        yield {
            "point_id": point.pk,
            **{"context_id": context.pk, "job_id": job.pk, "vcenter_id": context.vcenter_id},
            **{"channel_id": channel.pk, "rule_id": rule.pk},
            "action_id": bulk_acts.ask(
                "pause", VMContext.objects.all(), Arguments(), trigger="api", actor="x"
            ).pk,
            "policy_id": services.default_policy().pk,
            "repository_id": context.repository_id,
            "group_id": factories.group("Shop").pk,
            "view_id": factories.user("ann").saved_views.create(page="jobs", name="Mine").pk,
            "user_id": factories.user("dora").pk,
        }


@pytest.fixture
def address(ids, db) -> Any:
    """An address by its name, of rows that are there."""

    def address_named(name: str) -> str:
        (pattern,) = [each for each in urlpatterns if each.name == name]
        wanted = {key: ids[key] for key in pattern.pattern.converters}
        return reverse(f"api:{name}", kwargs=wanted)

    return address_named


def counts() -> list[int]:
    rows = (VMContext, ReplicationJob, VCenter, Discovery, ContextEvent)
    return [model.objects.count() for model in rows]


def wrong_types() -> Iterator[Any]:
    for name, body in BODIES.items():
        for field, declared in body().fields.items():
            kind = next(kind for kind in type(declared).__mro__ if kind in WRONG)
            # Where None is allowed it means something.
            values = [it for it in WRONG[kind] if it is not None or not declared.allow_null]
            yield pytest.param(name, field, values, id=f"{name}-{field}")


def test_the_tables_know_every_address():
    only_removed = {"policy-scope", "pause", "token-detail", "user-scope"}
    named = {pattern.name for pattern in urlpatterns} - {"nowhere", *only_removed}
    assert named == set(BODIES) | set(PARAMETERS)


@pytest.mark.parametrize("name", BODIES)
def test_an_unknown_field_is_refused_by_name(api, address, name):
    before = counts()
    answer = api.post(address(name), {"zzz_unheard_of": 1})
    assert answer.status_code == 400
    assert "no field 'zzz_unheard_of'" in answer.json()["errors"]["zzz_unheard_of"][0]
    assert counts() == before


@pytest.mark.parametrize("name", [name for name, body in BODIES.items() if body().fields])
def test_a_misspelt_field_gets_the_right_one_suggested(api, address, name):
    for field in BODIES[name]().fields:
        misspelt = field.replace("_", "", 1) if "_" in field else field + "x"
        answer = api.post(address(name), {misspelt: "x"})
        assert answer.status_code == 400
        assert f"Did you mean {field!r}?" in answer.json()["errors"][misspelt][0]


@pytest.mark.parametrize("name", BODIES)
def test_a_vm_s_specs_are_read_from_its_vcenter_and_never_sent(api, address, name):
    specs = set(SPEC_NAMES) - set(BODIES[name]().fields)  # some are how an address names a VM
    answer = api.post(address(name), dict.fromkeys(specs, 2))
    assert answer.status_code == 400
    assert specs <= set(answer.json()["errors"])


@pytest.mark.parametrize(("name", "field", "values"), list(wrong_types()))
def test_a_value_of_the_wrong_type_is_refused_by_name(api, address, name, field, values):
    before = counts()
    for value in values:
        answer = api.post(address(name), {field: value})
        assert answer.status_code == 400, value
        named = {each.partition(".")[0] for each in answer.json()["errors"]}
        assert field in named, value
    assert counts() == before


@pytest.mark.parametrize("name", BODIES)
def test_a_parameter_in_the_address_of_a_post_is_not_overlooked(api, address, name):
    before = counts()
    answer = api.post(address(name) + "?vm_name=web-01", {})
    assert answer.status_code == 400
    assert "no parameter 'vm_name'" in answer.json()["errors"]["vm_name"][0]
    assert counts() == before


@pytest.mark.parametrize("name", BODIES)
def test_a_field_that_is_given_twice_is_refused_by_name(api, address, name):
    before = counts()
    answer = api.generic(
        "POST",
        address(name),
        b'{"vm_name": "web-01", "vm_name": "web-02"}',
        content_type="application/json",
    )
    assert answer.status_code == 400
    assert answer.json()["errors"]["vm_name"] == ["It is given more than once."]
    assert counts() == before


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_unknown_parameter_is_refused_by_name(api, address, name):
    answer = api.get(address(name), {"zzz_unheard_of": 1})
    assert answer.status_code == 400
    assert "no parameter 'zzz_unheard_of'" in answer.json()["errors"]["zzz_unheard_of"][0]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_misspelt_parameter_gets_the_right_one_suggested(api, address, name):
    meant = {
        each.replace("_", "", 1) if "_" in each else each + "z": each for each in PARAMETERS[name]
    }
    if not meant:
        return  # it takes none
    answer = api.get(address(name), dict.fromkeys(meant, "x"))
    assert answer.status_code == 400
    for misspelt, parameter in meant.items():
        assert f"Did you mean {parameter!r}?" in answer.json()["errors"][misspelt][0]


SEVERAL = {
    *("group", "kind", "status", "vcenter", "power_state", "protection", "last_job", "type"),
    *("trigger", "trust_mode", "level", "rpo_kind", "priority", "outcome", "verb", "via"),
}
SEVERAL_OF = {
    *(("bulk-actions", "state"), ("repository-points", "state"), ("group-replications", "state")),
    ("replication-steps", "name"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_of_which_only_one_is_read_may_not_come_twice(api, address, name):
    once = {
        each for each in PARAMETERS[name] if each not in SEVERAL and (name, each) not in SEVERAL_OF
    }
    if not once:
        return  # it takes none of these
    twice = "&".join(f"{each}=1&{each}=2" for each in sorted(once))
    answer = api.get(f"{address(name)}?{twice}")
    assert answer.status_code == 400
    assert answer.json()["errors"] == {each: ["It is given more than once."] for each in once}


def test_a_filter_of_several_values_takes_several(api, address):
    query = "?status=failed&status=discovered&power_state=poweredOn&power_state=suspended"
    answer = api.get(address("vm-contexts") + query)
    assert [row["current_status"] for row in answer.json()["results"]] == ["discovered"]


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("vm-contexts", "status", "x"),
        ("vm-contexts", "protection", "x"),
        ("vm-contexts", "last_job", "x"),
        ("replications", "ended", "1h"),
        ("vm-contexts", "vcenter", "x"),
        ("vm-contexts", "vcenter", "999999"),
        ("vm-contexts", "power_state", "on"),
        ("vm-contexts", "search", "x" * 300),
        ("vm-contexts", "os", "x" * 300),
        ("replications", "status", "x"),
        ("replications", "type", "x"),
        ("replications", "trigger", "x"),
        ("replications", "vcenter", "x"),
        ("replications", "vm", "x" * 300),
        ("vcenter-discovery", "managed", "maybe"),
        ("vcenter-discovery", "managed", "FALSE"),
        ("vcenter-discovery", "managed", ""),
        ("vcenter-discovery", "refused", "1.5"),
        ("vcenter-discovery", "power_state", "on"),
    ],
)
def test_a_parameter_with_an_impossible_value_is_refused_by_name(
    api, address, name, parameter, value
):
    answer = api.get(address(name), {parameter: value})
    assert answer.status_code == 400
    assert parameter in answer.json()["errors"]


@pytest.mark.parametrize("name", [name for name, known in PARAMETERS.items() if "page" in known])
def test_a_list_refuses_what_is_no_page_of_it(api, address, name):
    for parameter, value in [
        *(("page", "one"), ("page", "-1"), ("page", "last"), ("page_size", "x")),
        *(("page_size", "0"), ("ordering", "x"), ("fields", "x"), ("fields", ","), ("cursor", "x")),
    ]:
        answer = api.get(address(name), {parameter: value})
        assert answer.status_code == 400
        assert parameter in answer.json()["errors"]


@pytest.mark.parametrize(("value", "found"), [("true", 1), ("false", 0), ("True", 1), ("False", 0)])
def test_true_and_false_are_what_they_say(api, address, value, found):
    answer = api.get(address("vcenter-discovery"), {"managed": value})
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == found


def test_the_root_lists_every_address_that_needs_nothing_else(api):
    listed = {address.partition("/api/v1/")[2] for address in api.get("").json().values()}
    plain = {str(each.pattern) for each in urlpatterns if each.name and not each.pattern.converters}
    assert listed == plain - {""}
