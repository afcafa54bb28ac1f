"""What a change would do is what saving it does."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contexts.models import VMContext
from replication.models import EffectivePolicy, Policy, PolicyScope, ReplicationJob
from replication.policies import services
from replication.policies.checking import Wanted, checked, merged
from replication.policies.preview import Change, preview
from replication.policies.services import Where, wanted_of
from replication.policies.settle import settle
from replication.policies.values import COLUMNS, UNSAID
from tests import factories

pytestmark = pytest.mark.django_db
TARGET = {"rpo_kind": "target", "rpo_target_seconds": 900}


@pytest.fixture
def vms() -> list[VMContext]:
    vcenter = factories.vcenter()
    paths = {"db-1": "Prod/DB", "db-2": "Prod", "web": "Prod", "test": "Test", "own": "Prod"}
    found = [
        factories.context(name, at=vcenter, vm_path=f"/Bonn/vm/{path}/{name}")
        for name, path in paths.items()
    ]
    services.set_own(found[-1], services.target(60), actor="x")
    settle([vm.pk for vm in found])
    return found


def values() -> dict[str, tuple]:
    rows = EffectivePolicy.objects.values_list("vm_context", *COLUMNS)
    return {key: said for key, *said in rows}


def test_of_every_kind_of_change_it_names_exactly_those_that_change(vms):
    default, gold = services.default_policy(), services.add("Gold", TARGET, actor="x")
    folder = Where("folder", vms[0].vcenter, "/Bonn/vm/Prod")
    names, alone = Where("name", pattern="*b*"), Where("vm", vm_context=vms[3])
    never = {"quiesce": "never"}
    hourly = {**TARGET, "rpo_target_seconds": 3600}

    def said(policy: Policy, given: dict) -> Change:
        return Change(policy, wanted=checked(merged(wanted_of(policy), given, None)))

    def scope(kind: str) -> PolicyScope:
        return PolicyScope.objects.get(policy=gold, kind=kind)

    for change, save, count in (
        (lambda: Change(gold, add=folder), lambda: services.assign(gold, folder, actor="x"), 3),
        (lambda: Change(gold, add=names), lambda: services.assign(gold, names, actor="x"), 0),
        (lambda: said(default, never), lambda: services.change(default, never, actor="x"), 5),
        (lambda: said(gold, hourly), lambda: services.change(gold, hourly, actor="x"), 3),
        (lambda: Change(gold, add=alone), lambda: services.assign(gold, alone, actor="x"), 1),
        (
            lambda: Change(gold, remove=scope("name").pk),
            lambda: services.unassign(scope("name"), actor="x"),
            0,
        ),
        (
            lambda: Change(gold, remove=scope("folder").pk),
            lambda: services.unassign(scope("folder"), actor="x"),
            3,
        ),
    ):
        before = values()
        shown = preview(change())
        assert values() == before, "nothing is written"
        save()
        changed = {key for key, after in values().items() if before[key] != after}
        assert {vm.context_id for vm in shown.shown} == changed
        assert shown.vm_count == len(changed) == count


def test_load_and_space_are_those_of_the_vms_that_change(vms):
    factories.completed_job(vms[0], planned_bytes=64 << 20)
    ReplicationJob.objects.update(bytes_transferred=64 << 20)
    gold = services.add("Gold", {**TARGET, "retention_kind": "rules", "keep_last": 4}, actor="x")
    found = preview(Change(gold, add=Where("name", pattern="db-*")))
    assert (found.before.jobs_per_hour, found.after.jobs_per_hour) == (0, 8)
    assert (found.before.most_points, found.after.most_points) == (None, 8)
    assert found.after.point_bytes == 4 * (64 << 20)
    assert (found.unmeasured, found.too_slow, found.not_known) == (1, (), 2)


def test_it_takes_as_many_queries_however_many_vms_there_are(vms):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            preview(Change(services.default_policy(), wanted=checked(Wanted({**UNSAID, **TARGET}))))
        return len(captured)

    few = count()
    factories.contexts([f"more-{number}" for number in range(20)])
    assert count() == few
