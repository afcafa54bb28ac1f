"""Nothing that a sender says vanishes: every address, with what it does not know and what is of
the wrong type, answers 400 and names it. The tables are made from the code's own declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from rest_framework import serializers

from contexts.filters import DiscoveredVMFilter
from contexts.models import ContextEvent, Discovery, VCenter, VMContext
from contexts.models.specs import SPEC_NAMES
from replication.filters import (
    BulkItemFilter,
    EventFilter,
    JobFilter,
    OccurrenceFilter,
    ProtectedVMFilter,
)
from replication.models import ReplicationJob
from replication.policies import services
from replication.retention.choose import Rules
from replication.services import bulk_acts
from replication.services.bulk_acts import Arguments
from tests import factories
from tests.shared_rows import shared_rows
from vmrep.api import bodies, bulk_bodies, group_bodies, pause_bodies, policy_bodies
from vmrep.api.urls import urlpatterns
from vmrep.notifications import services as notifications
from vmrep.notifications.filters import DeliveryFilter
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
    "recovery-point-pin": bodies.Pin,
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
    "group-replications": bodies.Nothing,
    "policies": policy_bodies.NewPolicy,
    "policy-scopes": policy_bodies.NewScope,
    "policy-preview": policy_bodies.PossibleChange,
}
PAGES = {"page", "page_size"}
# Every address that answers a GET, with the parameters that it takes.
PARAMETERS: dict[str, set[str]] = {
    "root": set(),
    "tokens": PAGES,
    "vm-contexts": {*ProtectedVMFilter.base_filters, "ordering", *PAGES},
    "vm-context-lookup": {"vm_name", "vcenter_host", "vmware_vm_id"},
    "vm-context": set(),
    "vm-context-rpo-history": set(),
    "replications": {*JobFilter.base_filters, "ordering", *PAGES},
    "replication": set(),
    "vcenters": PAGES,
    "vcenter": set(),
    "vcenter-discovery": {*DiscoveredVMFilter.base_filters, "ordering", *PAGES},
    "repositories": PAGES,
    "repository": set(),
    "repository-vms": PAGES,
    "repository-points": PAGES,
    "repository-space": PAGES,
    "vm-context-retention-preview": {f"keep_{name}" for name in Rules._fields},
    "recovery-point": set(),
    "replication-steps": PAGES,
    "replication-log": PAGES,
    "replication-throughput": PAGES,
    "pauses": PAGES,
    "bulk-actions": PAGES,
    "bulk-action": set(),
    "bulk-action-vms": {*BulkItemFilter.base_filters, *PAGES},
    "groups": PAGES,
    "group": set(),
    "group-replications": PAGES,
    "policies": PAGES,
    "policy": set(),
    "policy-rpo-history": set(),
    "health": set(),
    "limits": set(),
    "bandwidth": set(),
    "integrity": set(),
    "events": {*EventFilter.base_filters, *PAGES},
    "occurrences": {*OccurrenceFilter.base_filters, *PAGES},
    "audit-events": {*AuditFilter.base_filters, "ordering", *PAGES},
    "report": {"day", "time_zone"},
    "notification-channels": PAGES,
    "notification-channel": set(),
    "notification-rules": PAGES,
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
            for value in WRONG[kind]:
                if value is None and declared.allow_null:
                    continue  # there it means something
                yield pytest.param(name, field, value, id=f"{name}-{field}-{value!r}")


def test_the_tables_know_every_address():
    only_removed = {"policy-scope", "pause", "token-detail"}
    named = {pattern.name for pattern in urlpatterns} - {"nowhere", *only_removed}
    assert named == set(BODIES) | set(PARAMETERS)


@pytest.mark.parametrize("name", BODIES)
def test_an_unknown_field_is_refused_by_name(api, address, name):
    before = counts()
    answer = api.post(address(name), {"zzz_unheard_of": 1})
    assert answer.status_code == 400
    assert "no field 'zzz_unheard_of'" in answer.json()["errors"]["zzz_unheard_of"][0]
    assert counts() == before


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, body in BODIES.items() for field in body().fields]
)
def test_a_misspelt_field_gets_the_right_one_suggested(api, address, name, field):
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


@pytest.mark.parametrize(("name", "field", "value"), list(wrong_types()))
def test_a_value_of_the_wrong_type_is_refused_by_name(api, address, name, field, value):
    before = counts()
    answer = api.post(address(name), {field: value})
    assert answer.status_code == 400
    named = {each.partition(".")[0] for each in answer.json()["errors"]}
    assert field in named
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


@pytest.mark.parametrize(
    ("name", "parameter"),
    [(name, parameter) for name, known in PARAMETERS.items() for parameter in sorted(known)],
)
def test_a_misspelt_parameter_gets_the_right_one_suggested(api, address, name, parameter):
    misspelt = parameter.replace("_", "", 1) if "_" in parameter else parameter + "z"
    answer = api.get(address(name), {misspelt: "x"})
    assert answer.status_code == 400
    assert f"Did you mean {parameter!r}?" in answer.json()["errors"][misspelt][0]


SEVERAL = {
    "group",
    "kind",
    "outcome",
    "status",
    "vcenter",
    "verb",
    "via",
    "power_state",
    "protection",
    "last_job",
    "type",
    "trigger",
}


@pytest.mark.parametrize(
    ("name", "parameter"),
    [(name, each) for name, known in PARAMETERS.items() for each in sorted(known - SEVERAL)],
)
def test_a_parameter_of_which_only_one_is_read_may_not_come_twice(api, address, name, parameter):
    answer = api.get(f"{address(name)}?{parameter}=1&{parameter}=2")
    assert answer.status_code == 400
    assert answer.json()["errors"][parameter] == ["It is given more than once."]


def test_a_filter_of_several_values_takes_several(api, address):
    query = "?status=failed&status=discovered&power_state=poweredOn&power_state=suspended"
    answer = api.get(address("vm-contexts") + query)
    assert [row["current_status"] for row in answer.json()["results"]] == ["discovered"]


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *((name, "page", "one") for name, known in PARAMETERS.items() if "page" in known),
        *((name, "page", "-1") for name, known in PARAMETERS.items() if "page" in known),
        *((name, "page", "last") for name, known in PARAMETERS.items() if "page" in known),
        *((name, "page_size", "x") for name, known in PARAMETERS.items() if "page" in known),
        *((name, "page_size", "0") for name, known in PARAMETERS.items() if "page" in known),
        *((name, "ordering", "x") for name, known in PARAMETERS.items() if "ordering" in known),
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


@pytest.mark.parametrize(("value", "found"), [("true", 1), ("false", 0), ("True", 1), ("False", 0)])
def test_true_and_false_are_what_they_say(api, address, value, found):
    answer = api.get(address("vcenter-discovery"), {"managed": value})
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == found


def test_the_root_lists_every_address_that_needs_nothing_else(api):
    listed = {address.partition("/api/v1/")[2] for address in api.get("").json().values()}
    plain = {str(each.pattern) for each in urlpatterns if each.name and not each.pattern.converters}
    assert listed == plain - {""}
