"""No number tells of what its reader may not see: whatever is added there, each page and each
answer stays the same, word for word."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from contexts.models import VCenter, VMContext
from replication.models import Policy, ProtectionSpell, Repository
from replication.services import occurrences
from replication.states import OccurrenceKind, Protection
from tests import asking as people_who_ask
from tests import factories, places, sequences
from tests.asking import OURS, OUTSIDE, RULES, Asking, World
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
        r"\b\d+(\.\d)? s\b|\b\d m \d+ s\b",
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
        yield people_who_ask.world()


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
    factories.everything_lives()
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


def answers(asking: Asking, who: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    found = {}
    for address in (each for each in OURS if "GET" in RULES[each.name]):
        path = address.filled(asking.keys_of(who))
        for query in QUERIES.get(address.name, [""]):
            cache.clear()
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
        factories.places(factories.running_job(beside_of(vm, mark)), "host_sessions", mark, 2)
    if not is_elsewhere:
        return
    places.around_a_vcenter(
        f"{OUTSIDE}-more-{number}", factories.vcenter(f"{OUTSIDE}-{number}"), policy
    )


def beside_of(vm: VMContext, mark: str) -> VMContext:
    return factories.context(f"{mark}-beside", at=vm.vcenter, keep_in=vm.repository)
