"""A damage that is found lowers the VMs that it concerns, until it is found gone; no later image is
based on it."""

from __future__ import annotations

import shutil

import pytest
from django.utils import timezone

from contexts.models import VMContext
from replication.integrity import look, runs
from replication.integrity.findings import Check, Finding, Scope
from replication.models import (
    ContextLease,
    DiskImage,
    ImageDamage,
    IntegrityRun,
    RecoveryPoint,
)
from replication.selectors import protection
from replication.selectors.damages import damage_of_chain, why_broken
from replication.selectors.protection import facts_of, state_of
from replication.services import damages, leases
from replication.states import DamageFinder, LeaseHolder
from tests.integrity.conftest import Copy, checked
from tests.sync.estate import difference

pytestmark = pytest.mark.django_db(transaction=True)


def state(vm: VMContext) -> str:
    return str(state_of(facts_of(vm), protection.terms(timezone.now())))


def damaged_points() -> list[int]:
    found = RecoveryPoint.objects.filter(damaged_at__isnull=False).order_by("pk")
    return list(found.values_list("pk", flat=True))


def check(*, deep: bool = False) -> IntegrityRun:
    return runs.run_now(Scope(deep=deep), actor="ops")


def test_a_missing_file_breaks_its_point_and_all_that_are_based_on_it(whole: Copy) -> None:
    root, overlay = whole.images
    other = state(whole.other)
    aside = whole.file(root).with_name("aside")
    whole.file(root).rename(aside)
    check()
    assert damaged_points() == [root.recovery_point_id, overlay.recovery_point_id]
    assert state(whole.vm) == "broken"
    assert whole.vm.usable_recovery_point_at is None
    assert root.locator in why_broken(whole.vm).why
    assert state(whole.other) == other, "another VM is as it was"
    check()
    assert ImageDamage.objects.count() == 1, "it is the same damage"
    aside.rename(whole.file(root))
    check()
    assert damaged_points() == []
    assert state(whole.vm) == "no_target"
    assert "point_damage_differs" not in {finding.code for finding in checked()}


def test_a_point_below_the_damage_stays_usable_and_the_next_job_begins_a_new_chain(
    whole: Copy,
) -> None:
    root, overlay = whole.images
    whole.file(overlay).unlink()
    check()
    assert damaged_points() == [overlay.recovery_point_id]
    assert whole.vm.usable_recovery_point_at == root.recovery_point.consistent_at
    assert damage_of_chain(root) == ""
    job = whole.estate.run_job(whole.vm)
    assert (job.status, job.replication_type) == ("completed", "initial"), job.error_message
    (new,) = job.images.all()
    assert new.parent_id is None
    assert "damaged or missing" in new.plan_note
    raw = whole.estate.control.kept_content(new.snapshot_moref, new.disk.device_key)
    assert difference(whole.file(new), raw) is None
    assert state(whole.vm) == "no_target"
    assert damaged_points() == [overlay.recovery_point_id]
    job = whole.estate.run_job(whole.vm)
    assert job.replication_type == "incremental"


def test_a_job_that_finds_its_parent_missing_marks_it_and_copies_in_full(whole: Copy) -> None:
    root, overlay = whole.images
    whole.file(root).unlink()
    job = whole.estate.run_job(whole.vm)
    assert (job.status, job.replication_type) == ("completed", "initial"), job.error_message
    damage = ImageDamage.objects.get()
    assert (damage.image, damage.code, damage.found_by) == (root, "image_file_missing", "job")
    assert damaged_points() == [root.recovery_point_id, overlay.recovery_point_id]
    assert state(whole.vm) == "no_target"


def test_what_only_a_deep_look_sees_only_a_deep_look_clears(whole: Copy) -> None:
    root, _ = whole.images
    right = root.digest
    DiskImage.objects.filter(pk=root.pk).update(digest="0f" * 16)
    check(deep=True)
    assert damaged_points()
    DiskImage.objects.filter(pk=root.pk).update(digest=right)
    check()
    assert damaged_points(), "a look that does not read digests says nothing about them"
    check(deep=True)
    assert damaged_points() == []


def test_a_repository_that_was_not_looked_at_clears_nothing(whole: Copy) -> None:
    root, _ = whole.images
    damages.mark(root.pk, "image_file_missing", "It was.", DamageFinder.JOB)
    folder = whole.folder.with_name("unmounted")
    whole.folder.rename(folder)
    whole.folder.mkdir()
    check()
    assert damaged_points()
    shutil.rmtree(whole.folder)
    folder.rename(whole.folder)
    check()
    assert damaged_points() == []


def test_a_damage_that_the_second_look_cannot_confirm_stays(
    whole: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two looks a removal takes the VM's lease, so its files are not judged."""
    root, overlay = whole.images
    aside = whole.file(root).with_name("aside")
    whole.file(root).rename(aside)
    check()
    look_again = look.look_again

    def leased(one: Check, scope: Scope, context_id: str) -> dict[str, Finding]:
        if not ContextLease.objects.exists():
            assert leases.acquire(whole.vm.pk, LeaseHolder.RETENTION)
        return look_again(one, scope, context_id)

    monkeypatch.setattr(look, "look_again", leased)
    run = check()
    assert "image_file_missing" not in set(run.findings.values_list("code", flat=True))
    assert damaged_points() == [root.recovery_point_id, overlay.recovery_point_id]
    ContextLease.objects.all().delete()
    monkeypatch.setattr(look, "look_again", look_again)
    aside.rename(whole.file(root))
    check()
    assert damaged_points() == []


def test_an_image_that_is_going_is_not_marked(whole: Copy) -> None:
    root, overlay = whole.images
    RecoveryPoint.objects.filter(pk=overlay.recovery_point_id).update(state="expired")
    DiskImage.objects.filter(pk=overlay.pk).update(state="deleting")
    damages.mark(overlay.pk, "image_file_missing", "It is.", DamageFinder.JOB)
    damages.mark(overlay.pk + 1000, "image_file_missing", "It is.", DamageFinder.JOB)
    assert not ImageDamage.objects.exists()
    damages.mark(root.pk, "image_file_missing", "It is.", DamageFinder.JOB)
    assert damaged_points() == [root.recovery_point_id]
