"""How protection went, and that each turn is told once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contexts.models import VMContext, VMDisk
from contexts.services import management
from replication.models import Occurrence, ProtectionSpell, RecoveryPoint, RepositorySign
from replication.scheduler import spells
from replication.services import occurrences
from replication.states import OccurrenceKind, TroubleKind
from tests import factories

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def vm_with_target(name: str = "web", target: int = 3600) -> VMContext:
    vm = factories.context(name)
    factories.recovery_point(vm)
    VMContext.objects.filter(pk=vm.pk).update(rpo_target_seconds=target)
    spells.turn()
    return vm


def told() -> list[str]:
    return list(Occurrence.objects.order_by("pk").values_list("kind", flat=True))


def history(vm: VMContext) -> list[str]:
    return list(ProtectionSpell.objects.filter(vm_context=vm).values_list("state", flat=True))


def open_spell(vm: VMContext) -> ProtectionSpell:
    return ProtectionSpell.objects.get(vm_context=vm, ended_at=None)


def last_tick(ago: timedelta) -> None:
    """As if the ticks until now had been so long ago, and none since."""
    for spell in ProtectionSpell.objects.all():
        ProtectionSpell.objects.filter(pk=spell.pk).update(began_at=spell.began_at - ago)


def make_points(ago: timedelta) -> None:
    RecoveryPoint.objects.update(consistent_at=timezone.now() - ago)


def test_a_first_state_is_kept_and_told_to_nobody():
    new = factories.context("new")
    spells.turn()
    spells.turn()
    assert history(new) == ["unprotected"]
    factories.recovery_point(new)
    spells.turn()
    assert history(new) == ["unprotected", "no_target"]
    assert told() == [], "a first recovery point is no recovery from anything"


def test_a_vm_that_gets_over_its_target_in_a_night_without_a_tick():
    vm = vm_with_target()
    last_tick(9 * HOUR)
    make_points(8 * HOUR)
    spells.turn()
    spells.turn()
    first, second = ProtectionSpell.objects.filter(vm_context=vm)
    point = RecoveryPoint.objects.get()
    assert second.state == "over_target"
    assert second.began_at == first.ended_at == point.consistent_at + HOUR
    assert second.newest_point_at == point.consistent_at
    (occurrence,) = Occurrence.objects.all()
    assert occurrence.key == f"over_target:{second.pk}"
    assert occurrence.what.startswith("web is over its RPO target of 1 h: its newest")

    job = factories.completed_job(vm)
    spells.turn()
    assert open_spell(vm).began_at == job.completed_at
    assert told() == ["over_target", "recovered"]
    assert "web is protected again: it was over target since" in Occurrence.objects.first().what


def test_a_vm_that_flaps_is_told_of_once_for_each_turn():
    vm = vm_with_target()
    for _ in range(3):
        last_tick(5 * HOUR)
        make_points(4 * HOUR)
        for _ in range(3):
            spells.turn()
        make_points(timedelta(0))
        for _ in range(3):
            spells.turn()
    assert told() == ["over_target", "recovered"] * 3
    assert history(vm) == ["protected", *("over_target", "protected") * 3]
    ends = ProtectionSpell.objects.values_list("began_at", "ended_at")
    assert all(ended is None or began <= ended for began, ended in ends)


def test_damage_an_absent_repository_and_an_undecided_disk_are_told_with_their_time():
    vm = vm_with_target()
    last_tick(2 * HOUR)
    found = timezone.now() - HOUR
    RecoveryPoint.objects.update(damaged_at=found, damage="Its file is missing.")
    spells.turn()
    assert (open_spell(vm).state, open_spell(vm).began_at) == ("broken", found)
    RecoveryPoint.objects.update(damaged_at=None, damage="")
    spells.turn()
    reached = timezone.now() - MINUTE
    seen = {"repository": vm.repository, "looked_at": timezone.now(), "host": "x"}
    RepositorySign.objects.create(**seen, reached_at=reached, problem="Not mounted.")
    spells.turn()
    assert open_spell(vm).state == "broken"
    RepositorySign.objects.all().delete()
    VMDisk.objects.update(unprotected_reason="is independent")
    spells.turn()
    RecoveryPoint.objects.update(state="expiring")
    VMDisk.objects.update(unprotected_reason="")
    spells.turn()
    assert told() == ["broken", "recovered", "broken", "unprotected"]
    whats = list(Occurrence.objects.order_by("pk").values_list("what", flat=True))
    assert "is damaged" in whats[0]
    assert "no worker can use" in whats[2]
    assert "no snapshot can hold" in whats[3]


def test_a_new_target_begins_a_spell_and_is_told_only_if_it_is_exceeded():
    vm = vm_with_target()
    make_points(30 * MINUTE)
    last_tick(2 * HOUR)
    VMContext.objects.update(rpo_target_seconds=7200)
    spells.turn()
    assert told() == []
    assert open_spell(vm).target_seconds == 7200
    before = timezone.now()
    VMContext.objects.update(rpo_target_seconds=60)
    spells.turn()
    assert open_spell(vm).began_at >= before, (
        "not from when the new target would have been exceeded"
    )
    VMContext.objects.update(rpo_target_seconds=120)
    spells.turn()
    VMContext.objects.update(rpo_target_seconds=None)
    spells.turn()
    assert told() == ["over_target", "recovered"]
    assert "web is no longer over target" in Occurrence.objects.first().what


def test_a_vm_that_is_released_ends_its_spell_and_begins_anew():
    vm = vm_with_target()
    management.release(vm, actor="ops")
    spells.turn()
    vm.refresh_from_db()
    assert ProtectionSpell.objects.get().ended_at == vm.unmanaged_at
    VMContext.objects.update(unmanaged_at=None)
    make_points(4 * HOUR)
    spells.turn()
    assert history(vm) == ["protected", "over_target"]
    assert told() == []


def test_as_many_statements_with_many_vms(monkeypatch):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            spells.turn()
        return len(captured)

    vm_with_target("a")
    quiet = count()
    last_tick(9 * HOUR)
    make_points(8 * HOUR)
    one = count()
    for name in ("b", "c", "d", "e"):
        vm_with_target(name)
    assert count() == quiet
    last_tick(9 * HOUR)
    make_points(timedelta(0))
    assert count() == one
    make_points(8 * HOUR)
    monkeypatch.setattr(spells, "BATCH", 2)
    monkeypatch.setattr(spells, "MOST_BATCHES", 2)
    spells.turn()
    assert ProtectionSpell.objects.filter(ended_at=None, state="over_target").count() == 4
    spells.turn()
    assert ProtectionSpell.objects.filter(ended_at=None, state="over_target").count() == 5


def test_a_job_that_fails_is_told_of_with_the_reason_and_its_failure_never_depends_on_that():
    vm = factories.context("web")
    job = factories.failed_job(vm, "The vCenter did not answer.")
    (occurrence,) = Occurrence.objects.all()
    assert (occurrence.kind, occurrence.job, occurrence.vm_context) == ("job_failed", job, vm)
    assert occurrence.what == "The replication of web failed: The vCenter did not answer."
    with connection.cursor() as cursor:  # now the database refuses it
        cursor.execute("ALTER TABLE occurrences RENAME TO elsewhere")
        assert factories.failed_job(vm).status == "failed"
        cursor.execute("ALTER TABLE elsewhere RENAME TO occurrences")
    assert Occurrence.objects.count() == 1


def test_a_transition_that_is_told_already_is_no_error():
    for what in ("first", "second"):
        occurrences.tell(OccurrenceKind.BROKEN, "7", what=what)
    assert Occurrence.objects.get().what == "first"
    Occurrence.objects.update(at=timezone.now() - timedelta(days=401))
    occurrences.forget_old()
    assert not Occurrence.objects.exists()


def test_every_trouble_can_be_told_of():
    assert set(TroubleKind.values) <= set(OccurrenceKind.values)
