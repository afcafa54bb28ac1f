"""The one state of protection: the rule, and the same rule in SQL."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contexts.models import VMContext, VMDisk
from replication.models import RecoveryPoint, RepositorySign
from replication.selectors import protection
from replication.selectors.contexts import context_counts
from replication.selectors.protection import Facts, Protection, Terms, state_of, with_protection
from tests import factories

NOW = timezone.now().replace(microsecond=250_000)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
AWAY, THERE = 7, 8
FINE = Facts(NOW - HOUR, False, THERE, 0, 2 * 3600)
TERMS = Terms(NOW, (AWAY,))


@pytest.mark.parametrize(
    ("facts", "terms", "state"),
    [
        (FINE, TERMS, "protected"),
        (FINE._replace(newest_recovery_point_at=None), TERMS, "unprotected"),
        (FINE._replace(newest_point_damaged=True), TERMS, "broken"),
        (FINE._replace(newest_point_repository_id=AWAY), TERMS, "broken"),
        (FINE._replace(undecided_disk_count=1), TERMS, "unprotected"),
        (FINE._replace(newest_point_damaged=True, undecided_disk_count=1), TERMS, "broken"),
        (FINE._replace(rpo_target_seconds=3599), TERMS, "over_target"),
        (FINE._replace(rpo_target_seconds=3600), TERMS, "protected"),
        (FINE._replace(rpo_target_seconds=None), TERMS, "no_target"),
        (FINE._replace(newest_recovery_point_at=NOW + HOUR), TERMS, "over_target"),
        (FINE._replace(rpo_target_seconds=60), TERMS._replace(now=NOW - HOUR), "protected"),
    ],
)
def test_the_first_rule_that_applies_is_the_state(facts, terms, state):
    assert state_of(facts, terms) == state


def every_facts() -> list[Facts]:
    """Around every border of every rule."""
    points = [
        *(None, NOW - 2 * HOUR, NOW - HOUR - timedelta(microseconds=1), NOW - HOUR),
        *(NOW - MINUTE, NOW, NOW + MINUTE, NOW + MINUTE + timedelta(microseconds=1)),
    ]
    found = []
    for at, damaged, repository, disks, target in product(
        points, (False, True), (AWAY, THERE), (0, 2), (None, 60, 3600)
    ):
        found.append(Facts(at, damaged and at is not None, at and repository, disks, target))
    return found


@pytest.mark.django_db
def test_sql_says_the_same_as_the_rule_at_every_border():
    """The rows are written past the triggers, which would correct them."""
    from replication.database import figures

    vcenter = factories.vcenter()
    wanted = {f"ctx-{number}": facts for number, facts in enumerate(every_facts())}
    figures.remove(connection)
    VMContext.objects.bulk_create(
        VMContext(
            context_id=key,
            vcenter=vcenter,
            vm_name=key,
            vmware_vm_id=key,
            disk_count=facts.undecided_disk_count,
            **facts._asdict(),
        )
        for key, facts in wanted.items()
    )
    for terms in (TERMS, Terms(NOW), Terms(NOW, (AWAY, THERE))):
        rows = list(with_protection(VMContext.objects.all(), terms))
        assert len(rows) == len(wanted)
        right = {key: str(state_of(facts, terms)) for key, facts in wanted.items()}
        assert {row.pk: row.protection for row in rows} == right
        counted = context_counts(VMContext.objects.all(), terms)
        assert {state: counted[state] for state in Protection.values} == {
            state: list(right.values()).count(state) for state in Protection.values
        }
        for row in rows:
            target = wanted[row.pk].rpo_target_seconds
            if row.newest_point_at is None or target is None:
                assert row.risk is None
            else:
                age = (NOW - row.newest_point_at).total_seconds()
                assert row.risk == pytest.approx(age / target, abs=1e-4)
    figures.install(connection)


def state(vm: VMContext) -> str:
    terms = protection.terms(timezone.now())
    return with_protection(VMContext.objects.all(), terms).get(pk=vm.pk).protection


@pytest.mark.django_db
def test_what_happens_to_a_vm_changes_its_state_at_once(django_assert_num_queries):
    vm = factories.context("web")
    assert state(vm) == "unprotected"
    point = factories.recovery_point(vm)
    assert state(vm) == "no_target"
    VMContext.objects.update(rpo_target_seconds=3600)
    assert state(vm) == "protected"
    VMContext.objects.update(rpo_target_seconds=60)
    RecoveryPoint.objects.update(consistent_at=timezone.now() - HOUR)
    assert state(vm) == "over_target"
    VMDisk.objects.update(unprotected_reason="is independent")
    assert state(vm) == "unprotected"
    RecoveryPoint.objects.update(damaged_at=timezone.now(), damage="Its file is missing.")
    assert state(vm) == "broken"
    RecoveryPoint.objects.filter(pk=point.pk).update(state="expiring")
    assert state(vm) == "unprotected"


@pytest.mark.django_db
def test_a_repository_is_away_when_no_machine_has_reached_it_for_a_while():
    vm = factories.context("web")
    factories.recovery_point(vm)
    VMContext.objects.update(rpo_target_seconds=3600)
    seen = {"repository": vm.repository, "looked_at": NOW}
    blind = RepositorySign.objects.create(**seen, host="blind", problem="Not mounted.")
    assert state(vm) == "broken"
    sees = RepositorySign.objects.create(**seen, host="sees", reached_at=NOW - MINUTE / 4)
    assert state(vm) == "protected", "one machine that reaches it is enough"
    RepositorySign.objects.filter(pk=blind.pk).update(looked_at=NOW + MINUTE)
    assert state(vm) == "broken"
    RepositorySign.objects.filter(pk=sees.pk).update(looked_at=NOW + HOUR, reached_at=NOW + HOUR)
    assert state(vm) == "protected", "nobody has looked since: the last answer stands"


@pytest.mark.django_db
def test_the_terms_take_as_many_queries_however_much_there_is():
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            protection.terms(timezone.now())
        return len(captured)

    one = count()
    for _ in range(3):
        RepositorySign.objects.create(
            repository=factories.repository(), host="x", looked_at=NOW, reached_at=NOW
        )
    assert count() == one == 1
