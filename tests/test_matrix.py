"""Every address × who asks × method: made from the addresses that there are, so that one without a
rule (tests/access_rules.py) fails.

A refusal is tried with every user who is refused, and that something is allowed with the one who
may least; what a user does not see is not there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.http import Http404

from contexts.models import VCenter, VMContext
from tests import asking as people_who_ask
from tests import factories, sequences
from tests.asking import ADDRESSES, OURS, ROLES, RULES, Address, Asking, World, any_key, expected_of
from tests.foreign import bodies, forms
from tests.foreign.outcomes import nowhere, wrong_with
from tests.shared_rows import shared_rows

pytestmark = pytest.mark.any_database


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with shared_rows(django_db_blocker), pytest.MonkeyPatch.context() as patch:
        patch.setattr("replication.messages.send", lambda *message: None)
        patch.setattr("contexts.messages.send", lambda *message: None)
        sequences.spread()
        yield people_who_ask.world()


@pytest.fixture
def asking(world: World, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asking]:
    monkeypatch.setattr("replication.health.broker.problem", lambda **_: "")
    monkeypatch.setattr("contexts.services.connections.test", _reached)
    monkeypatch.setattr("vmrep.notifications.services.test", _reached)
    cache.clear()
    logging.disable(logging.ERROR)  # each refusal is logged
    yield Asking(world)
    logging.disable(logging.NOTSET)


def _reached(*_: Any) -> None:
    """What would ask another machine was come to: nobody was refused before."""
    raise Http404("reached")


def test_every_address_has_a_rule_and_every_rule_an_address():
    assert {address.name for address in OURS} == set(RULES)
    for rule in (rule for of_address in RULES.values() for rule in of_address.values()):
        assert rule == "public" or expected_of(rule) in ROLES


def test_who_is_not_logged_in_sees_and_does_nothing(asking):
    wrong = []
    keys = any_key(asking.keys_of("anonymous"))
    for number, address in enumerate(ADDRESSES):
        rules = RULES.get(address.name, {"GET": "admin", "POST": "admin"})
        if "public" in rules.values() or address.name == "admin:login":
            continue
        methods = list(rules) if not address.is_of_the_admin else [["GET", "POST"][number % 2]]
        for method in methods:
            answer = asking("anonymous", method, address.filled(keys))
            is_sent = answer.status_code == 302 and "login/?next=" in answer["Location"]
            if answer.status_code != 401 and not is_sent:
                wrong.append((method, address.name, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def test_each_role_may_what_the_table_says_and_nothing_else(asking):
    """Tried with whoever may just not, and whoever just may."""
    cells = [
        (who, method, address)
        for address in OURS
        for method, rule in RULES[address.name].items()
        if rule != "public"
        for who in ROLES[: ROLES.index(expected_of(rule)) + 1][-2:]
    ]
    assert len(cells) > 300
    _try(asking, cells)


@pytest.mark.slow
def test_every_role_with_every_method_at_every_address(asking):
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    cells = [(who, method, each) for each in OURS for method in methods for who in ROLES]
    _try(asking, [cell for cell in cells if "public" not in RULES[cell[2].name].values()])


def _try(asking: Asking, cells: list[tuple[str, str, Address]]) -> None:
    wrong = []
    for who, method, address in cells:
        rules = RULES[address.name]
        rule = rules.get("GET" if method == "HEAD" else method)
        answer = asking(who, method, address.filled(asking.keys_of(who)))
        if rule is None:
            is_right = answer.status_code == 405 or "anybody" in rules.values()
        elif ROLES.index(who) < ROLES.index(expected_of(rule)):
            is_right = answer.status_code == 403
        else:
            is_right = answer.status_code not in (401, 403, 405, 500)
            is_right = is_right and _is_shown(address, method, answer)
        if not is_right:
            wrong.append((who, method, address.name, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def _is_shown(address: Address, method: str, answer: Any) -> bool:
    """What is there is shown to whoever may see it."""
    is_there = address.name not in ("api:nowhere", "discovery-identity")
    return method != "GET" or not is_there or answer.status_code in (200, 302, 400)


def test_the_rules_name_each_method_that_the_api_answers():
    """Of pages, the test in the slow tier tries them all."""
    methods = {"get", "post", "put", "patch", "delete"}
    for address in (each for each in OURS if each.name.startswith("api:")):
        if address.name == "api:nowhere":
            continue
        answered = {each.upper() for each in methods if hasattr(address.view_class, each)}
        assert set(RULES[address.name]) == answered, address.name


_OF_EVERYBODY = ("admin:logout", "admin:jsi18n", "admin:password_change")
_FURTHER_IN = ("_add", "_delete", "_history")  # beside a list and a page that are tried


def test_the_admin_is_for_admins_who_see_all(asking):
    wrong = []
    refused = ("nobody", "viewer", "operator", "admin of a vCenter")
    of_the_admin = [each for each in ADDRESSES if each.name.startswith("admin:")]
    of_the_admin = [each for each in of_the_admin if not each.name.endswith(_FURTHER_IN)]
    for number, address in enumerate(of_the_admin):
        if address.name in _OF_EVERYBODY:
            continue
        who, method = refused[number % 4], ("GET", "POST")[number // 4 % 2]
        path = address.filled(any_key({"app_label": "contexts"}))
        if (answer := asking(who, method, path)).status_code != 403:
            wrong.append((who, address.name, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))
    assert asking("admin", "GET", "/admin/").status_code == 200


# --- What is outside of a user's places ---

OF_ONE_VM = {"context_id", "vcenter_id", "vm_id", "job_id", "disk_id", "point_id", "group_id"}
OF_ONE_VM |= {"member_id", "pause_id", "action_id", "channel_id", "rule_id", "scope_id"}


@pytest.mark.parametrize(
    "who", ["admin of a folder", pytest.param("admin of a vCenter", marks=pytest.mark.slow)]
)
def test_what_is_outside_of_ones_places_is_not_there(asking, who):
    """Whatever an admin may do: with the VMs of all places (a policy, a channel) only one who sees
    them all does it."""
    wrong = []
    _, _, other_folder, elsewhere = asking.world.outside
    outside = elsewhere if who == "admin of a vCenter" else {**elsewhere, **other_folder}
    outside["vcenter_id"] = elsewhere["vcenter_id"]
    for address in (each for each in OURS if each.holes & OF_ONE_VM):
        for method, rule in RULES[address.name].items():
            answer = asking(who, method, address.filled(asking.keys_of(who) | outside))
            is_refused = answer.status_code == 404
            if address.holes & {"channel_id", "rule_id", "scope_id", "repository_id"}:
                is_refused = answer.status_code in (403, 404)
            if not is_refused:
                wrong.append((method, address.name, rule, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def test_an_object_of_another_place_is_not_reached_through_one_of_ones_own(asking):
    """An address with two holes, one of which is filled with what one sees."""
    wrong = []
    other = asking.world.outside[0]
    for address in (each for each in OURS if len(each.holes & OF_ONE_VM) == 2):
        for hole in address.holes & OF_ONE_VM:
            for method in RULES[address.name]:
                keys = asking.keys_of("operator of a folder") | {hole: other[hole]}
                if hole == "vcenter_id":
                    continue  # both are in it
                answer = asking("operator of a folder", method, address.filled(keys))
                if answer.status_code not in (403, 404):
                    wrong.append((method, address.name, hole, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    "who", ["admin of a folder", pytest.param("viewer of a folder", marks=pytest.mark.slow)]
)
def test_nothing_tells_of_what_is_outside_of_ones_places(asking, who):
    """Neither in a list, its file or its search, nor on the page of what one sees."""
    assert people_who_ask.OUTSIDE in asking("admin", "GET", "/api/v1/events/").content.decode()
    wrong = []
    for address in (each for each in OURS if "GET" in RULES[each.name]):
        path = address.filled(asking.keys_of(who))
        for query in _queries(address, asking.world):
            answer = asking(who, "GET", f"{path}{'&' if '?' in path else '?'}{query}")
            text = b"".join(answer) if answer.streaming else answer.content
            for keys in asking.world.outside:  # what was asked for may be repeated
                text = text.replace(str(keys["context_id"]).encode(), b"")
            if people_who_ask.OUTSIDE.encode() in text or answer.status_code == 500:
                at = text.find(people_who_ask.OUTSIDE.encode())
                wrong.append((address.name, query, text[max(0, at - 90) : at + 40]))
    assert not wrong, "\n".join(map(str, wrong))


def _queries(address: Address, world: World) -> list[str]:
    first, *_, last = world.outside
    found = [""]
    if address.name in _LISTS:
        named = (f"vm={first['context_id']}", f"vcenter={last['vcenter_id']}")
        found += ["search=zq9x", "&".join((*named, f"group={first['group_id']}")), named[0]]
        found += [] if address.name.startswith("api:") else ["format=csv"]
    if address.name == "virtual-machines":
        tabs = ("jobs", "disks", "network", "cbt", "rpo", "policy", "points")
        found += [f"vm={world.inside['context_id']}&tab={tab}" for tab in tabs]
    return found


_LISTS = {
    *("virtual-machines", "jobs", "discovery", "events", "occurrences", "bulk-action"),
    *("vcenters", "repositories", "bulk-actions", "removed-vms", "health"),
    *("api:vm-contexts", "api:replications", "api:events", "api:occurrences"),
}


# --- What a request names in its body ---


def test_every_field_of_the_api_that_names_an_object_is_tried():
    found = {
        f"{method} {path} {name}"
        for method, path, name in bodies.fields()
        if bodies.NAMES.search(name) and name.rpartition(".")[2] not in bodies.NOT_TRIED
    }
    assert found == set(bodies.BODIES)


def test_no_body_of_the_api_reaches_what_is_outside(asking):
    wrong = []
    marks = [bodies.by_name(asking.world, mark) for mark in ("outside", "absent", "inside")]
    for name, (body, of, who) in bodies.BODIES.items():
        method, route, _ = name.split(" ")
        path = "/api/v1/" + route.format(**asking.keys_of(who))
        sent = [(keys[of], bodies.filled(body, keys[of])) for keys in marks]
        if problem := wrong_with(asking, who, method, path, sent):
            wrong.append(f"{name}: {problem}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["operator of a folder", "admin of a vCenter"])
def test_no_form_of_a_page_reaches_what_is_outside(asking, who):
    wrong = []
    inside, elsewhere = (
        keys | {"lone_context_id": _alone(keys, name).pk}
        for keys, name in ((asking.world.inside, "within-2"), (asking.world.outside[-1], "zq9x7-2"))
    )
    found = forms.found_on_pages(asking, who, inside)
    assert len(found) > 12
    for attack in found:
        key = attack.key
        sent = [
            (each, attack.body(each, inside[key]))
            for each in (elsewhere[key], nowhere(key), inside[key])
        ]
        if problem := wrong_with(asking, who, attack.form.method, attack.path, sent):
            wrong.append(f"{attack.is_about}: {problem}")
    assert not wrong, "\n".join(wrong)


def _alone(keys: dict[str, Any], name: str) -> VMContext:
    """A VM beside that one, which is in no group."""
    at = VCenter.objects.get(pk=keys["vcenter_id"])
    return factories.context(name, at=at, vm_path=f"{people_who_ask.FOLDER}/{name}")
