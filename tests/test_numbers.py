"""No number tells of what its reader may not see: whatever is added there, each page and each
answer stays the same, word for word. Nor does a filter, or what answers a change."""

from __future__ import annotations

import difflib
import io
import logging
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
import yaml
from django.contrib.messages import get_messages
from django.core.cache import cache as kept
from django.utils import timezone

from contexts.models import VCenter, VMContext
from replication.models import (
    GroupRunMember,
    Policy,
    ProtectionSpell,
    Repository,
    VMGroup,
    VMGroupMember,
)
from replication.policies import settle
from replication.services import occurrences
from replication.states import GroupMemberState, OccurrenceKind, Protection
from tests import asking as people_who_ask
from tests import factories, places, sequences
from tests.asking import OURS, OUTSIDE, RULES, Address, Asking, World
from tests.foreign import bodies
from tests.shared_rows import shared_rows
from vmrep.web import totals

pytestmark = [pytest.mark.any_database, pytest.mark.slow]

VOLATILE = [
    re.compile(pattern)
    for pattern in (
        r'name="csrfmiddlewaretoken" value="[^"]*"',
        r"X-CSRFToken[^,}]*",
        r'nonce="[^"]*"',
        r'"request_id": ?"[^"]*"',
        r"\b\d+ m( \d+ s)?\b|\b\d+(\.\d)? s\b",
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?",
        r'"[a-z_]*(age|seconds)[a-z_]*": ?-?[\d.]+',
        r"data-(version|at|now)[a-z-]*=\"[^\"]*\"",
        r"(?m)^vmrep_\w*(seconds|age)\w*(\{.*\})? .*$",
    )
]
QUERIES = {
    "virtual-machines": ["", "search=vm", "protection=broken", "format=csv", "vm={context_id}"],
    "discovery": ["", "vcenter={vcenter_id}", "format=csv"],
    "bulk-ask": [
        f"kind={kind}&everything=1&view={view}"
        for kind in ("replicate", "cancel", "policy", "pause")
        for view in ("", "search%3Dvm")
    ],
    "health": ["", "format=csv"],
    "limits": ["", "format=csv"],
    "api:vm-contexts": ["", "cursor=", "search=vm"],
}


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with shared_rows(django_db_blocker), pytest.MonkeyPatch.context() as patch:
        patch.setattr("replication.messages.send", lambda *message: None)
        patch.setattr("contexts.messages.send", lambda *message: None)
        sequences.spread()
        made = people_who_ask.world()
        _mixed_group(made)
        yield made


def _mixed_group(made: World) -> None:
    """Of a VM within and one outside: it is seen with the one that is within."""
    repository = Repository.objects.get(name="shared")
    places_of = (
        ("within", made.inside, people_who_ask.FOLDER),
        (OUTSIDE, made.outside[0], "/Lab"),
    )
    vms = [
        factories.context(
            f"{mark}-mixed",
            at=VCenter.objects.get(pk=keys["vcenter_id"]),
            keep_in=repository,
            vm_path=f"{folder}/{mark}-mixed",
        )
        for mark, keys, folder in places_of
    ]
    settle.settle([vm.pk for vm in vms])
    group = factories.group("mixed", *vms)
    factories.group_run(group, 1.0, 2.0)
    made.inside.update({"group_id": group.pk, "member_id": group.members.get(position=1).pk})


@pytest.fixture
def asking(world: World, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asking]:
    monkeypatch.setattr("replication.health.broker.problem", lambda **_: "")
    monkeypatch.setattr("vmrep.web.versions.FRESH_SECONDS", 0)
    logging.disable(logging.ERROR)  # each refusal is logged
    yield Asking(world)
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("who", ["viewer of a folder", "admin of a folder", "admin of a vCenter"])
def test_what_is_added_outside_of_ones_places_changes_no_answer(
    asking: Asking, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.everything_lives(seconds_ago=-3600)  # for as long as this takes
    before, again = answers(asking, who, monkeypatch), answers(asking, who, monkeypatch)
    assert len(before) > 60
    for number in range(3):
        add_outside(number, is_elsewhere=who == "admin of a vCenter")
    after = answers(asking, who, monkeypatch)
    wrong = [
        f"{name}:\n" + "\n".join(changed(again[name], after[name]))
        for name in before
        if before[name] == again[name] != after[name]
    ]
    unsteady = [
        f"{name}:\n" + "\n".join(changed(before[name], again[name]))
        for name in before
        if before[name] != again[name]
    ]
    assert not unsteady, "\n\n".join(unsteady)
    assert not wrong, "\n\n".join(wrong)


NAMED = {
    **{"vm": "context_id", "vcenter": "vcenter_id", "group": "group_id", "channel": "channel_id"},
    **{"object": "context_id", "job": "job_id"},
    **{name: name for name in ("vcenter_host", "vm_name", "vmware_vm_id")},
}
"""By filter: what it names."""
PAGES_WITH_FILTERS = {
    *("virtual-machines", "discovery", "jobs", "events", "occurrences", "audit", "report"),
}


@pytest.mark.parametrize("who", ["admin of a folder", "admin of a vCenter"])
def test_a_filter_by_what_is_outside_is_answered_as_by_what_is_nowhere(
    asking: Asking, who: str
) -> None:
    keys = {mark: bodies.by_name(asking.world, mark) for mark in ("outside", "absent", "inside")}
    keys["absent"]["job_id"] = "job-nowhere"
    wrong, tried = [], 0
    for address in (each for each in OURS if "GET" in RULES[each.name]):
        path = address.filled(asking.keys_of(who))
        for name, of in filters_of(address):
            told = {}
            for mark, key in ((mark, str(each[of])) for mark, each in keys.items()):
                asking.client(who).cookies.pop("messages", None)  # those of what was asked before
                answer = asking(who, "GET", f"{path}?{name}={key}")
                lines = [line.replace(key, "#") for line in steady(answer)]
                told[mark] = answer.status_code, lines
            tried += told["inside"] != told["absent"]
            if told["outside"] != told["absent"]:
                lines = changed(told["absent"][1], told["outside"][1])
                wrong.append(f"{address.name} {name} {told['outside'][0]}: {lines}")
    assert tried > 15
    assert not wrong, "\n".join(wrong)


def filters_of(address: Address) -> list[tuple[str, str]]:
    """With what they name."""
    if not address.name.startswith("api:"):
        return list(NAMED.items()) if address.name in PAGES_WITH_FILTERS else []
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{address.route}")
    operation = schema()["paths"].get(path, {}).get("get", {})
    taken = {each.get("$ref", "").rpartition("/")[2] for each in operation.get("parameters", ())}
    taken |= {each["name"] for each in operation.get("parameters", ()) if "name" in each}
    return [(name, of) for name, of in NAMED.items() if name in taken]


@cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(
        bodies.SCHEMA.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    return loaded


@pytest.mark.parametrize("who", ["operator of a folder", "admin of a folder", "admin of a vCenter"])
def test_no_answer_to_a_change_tells_of_what_is_outside(asking: Asking, who: str) -> None:
    """Its words, what it leads to, and what is in a file that it gives."""
    wrong = []
    for address in OURS:
        for method in sorted(RULES[address.name].keys() - {"GET"}):
            answer = asking(who, method, address.filled(asking.keys_of(who)))
            content = b"".join(answer) if answer.streaming else answer.content
            if content.startswith(b"PK"):
                bundle = zipfile.ZipFile(io.BytesIO(content))
                content = b"".join(map(bundle.read, bundle.namelist()))
            if who == "admin of a vCenter":
                content = content.replace(f"{OUTSIDE}-mixed".encode(), b"")  # is of that vCenter
            told = [content, *(str(each).encode() for each in get_messages(answer.wsgi_request))]
            if answer.status_code == 500 or any(OUTSIDE.encode() in each for each in told):
                wrong.append((method, address.name, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


def answers(asking: Asking, who: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    found = {}
    for address in (each for each in OURS if "GET" in RULES[each.name]):
        path = address.filled(asking.keys_of(who))
        for query in QUERIES.get(address.name, [""]):
            kept.clear()
            monkeypatch.setattr(totals, "_kept", {})
            query = query.format(**asking.world.inside)
            answer = asking(who, "GET", f"{path}{'&' if '?' in path else '?'}{query}")
            if answer.status_code == 200:
                found[f"{address.name} {query}"] = steady(answer)
    return found


def steady(answer: Any) -> list[str]:
    """Its lines, without what is another one each time."""
    text = (b"".join(answer) if answer.streaming else answer.content).decode()
    if "json" in answer["Content-Type"]:
        text = text.replace(",", ",\n")
    for pattern in VOLATILE:
        text = pattern.sub("…", text)
    return text.splitlines()


def changed(before: list[str], after: list[str]) -> list[str]:
    diff = difflib.unified_diff(before, after, lineterm="", n=1)
    return [line.strip()[:200] for line in diff][:30]


def add_outside(number: int, *, is_elsewhere: bool) -> None:
    """Something of every kind, of VMs that a user of the folder does not see; and `is_elsewhere`:
    nor a user of its vCenter."""
    policy, repository = Policy.objects.get(name="shared"), Repository.objects.get(name="shared")
    one, other = VCenter.objects.get(name="one"), VCenter.objects.get(name=f"{OUTSIDE}-vcenter")
    for at in (other,) if is_elsewhere else (one, other):
        mark = f"{OUTSIDE}-more-{number}-{at.pk}"
        shared = {"keep_in": repository, "policy": policy}
        keys = places.around_a_vm(mark, at=at, folder="/Lab/vm/other", **shared)
        vm = VMContext.objects.get(pk=keys["context_id"])
        for state in ("pending", "completed", "cancelled", "old"):
            beside = factories.context(
                f"{mark}-{state}", at=at, keep_in=repository, vm_path=f"/Lab/vm/other/{mark}"
            )
            if state == "pending":
                factories.pending_job(beside)
            elif state == "completed":
                factories.completed_job(beside)
            elif state == "cancelled":
                factories.cancelled_job(beside)
            else:
                VMContext.objects.filter(pk=beside.pk).update(
                    unmanaged_at=timezone.now(), os_type=f"{mark}-os"
                )
        occurrences.tell(OccurrenceKind.JOB_FAILED, mark, what=mark, context_id=vm.pk)
        ProtectionSpell.objects.create(
            vm_context=vm, state=Protection.BROKEN, began_at=timezone.now() - timedelta(days=3)
        )
        beside = beside_of(vm, mark)
        factories.places(factories.running_job(beside), "host_sessions", mark, 2)
        if at == one:
            add_to_the_mixed_group(beside)
    if not is_elsewhere:
        return
    places.around_a_vcenter(
        f"{OUTSIDE}-more-{number}", factories.vcenter(f"{OUTSIDE}-{number}"), policy
    )


def add_to_the_mixed_group(vm: VMContext) -> None:
    group = VMGroup.objects.get(name="mixed")
    position = group.members.count() + 1
    VMGroupMember.objects.create(group=group, vm_context=vm, position=position, added_by="chief")
    run = group.runs.latest("pk")
    GroupRunMember.objects.create(
        run=run, vm_context=vm, position=position, state=GroupMemberState.MISSING, why="It is away."
    )


def beside_of(vm: VMContext, mark: str) -> VMContext:
    return factories.context(f"{mark}-beside", at=vm.vcenter, keep_in=vm.repository)
