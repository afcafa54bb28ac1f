"""The report of a day says what the spells, jobs and images of that day say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contexts.models import VMContext
from replication.models import (
    DiskImage,
    ProtectionSpell,
    ReplicationJob,
    Repository,
    RepositorySign,
    RepositorySpace,
)
from replication.reports.daily import Among, Report, bounds, report
from tests import factories
from vmrep.notifications import report_words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
DAY = date(2026, 11, 29)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=2)
HOUR = timedelta(hours=1)


def of_the_day(now: datetime = LATER, day: date = DAY, zone: str = "UTC") -> Report:
    return report(day, zone, Among(VMContext.objects.all(), Repository.objects.all()), now)


def spell(
    vm: VMContext, state: str, began: datetime, ended: datetime | None, target: int | None = 3600
) -> None:
    ProtectionSpell.objects.create(
        vm_context=vm,
        state=state,
        began_at=began,
        ended_at=ended,
        target_seconds=target,
        newest_point_at=began - HOUR,
    )


def test_protection_and_breaches_of_the_day_and_of_no_other():
    web, db, new = (factories.context(name) for name in ("web", "db", "new"))
    spell(web, "protected", NOON - 48 * HOUR, NOON - 6 * HOUR)
    spell(web, "over_target", NOON - 6 * HOUR, NOON)
    spell(web, "protected", NOON, None)
    spell(db, "over_target", NOON - 14 * HOUR, NOON - 11 * HOUR)  # began the day before
    spell(db, "broken", NOON - 11 * HOUR, None)
    spell(new, "no_target", NOON, None, None)
    spell(new, "unprotected", NOON - 60 * HOUR, NOON - 50 * HOUR, None)
    found = of_the_day()
    assert found.states == {
        **{"protected": 1, "over_target": 0, "no_target": 1, "broken": 1, "unprotected": 0}
    }
    assert found.within_target == pytest.approx((6 + 12) / (24 + 24))
    told = [
        (it.vm_name, it.state, it.seconds / 3600, it.worst_age_seconds) for it in found.breaches
    ]
    assert told == [
        ("db", "broken", 23, None),
        ("web", "over_target", 6, 3600 + 6 * 3600),
        ("db", "over_target", 1, 3600 + 3 * 3600),
    ]
    so_far = of_the_day(now=NOON - 3 * HOUR)
    assert not so_far.is_over
    assert so_far.states["unprotected"] == 3, "as the pages say: they have no recovery point"
    assert so_far.breaches[1].seconds == 3 * 3600
    assert of_the_day(day=date(2026, 11, 25)).breaches == []
    assert of_the_day(day=date(2026, 11, 25)).within_target is None


@pytest.mark.parametrize(("target", "hours"), [(3600, 1), (None, 24)])
def test_a_vm_that_was_just_taken_has_its_target_s_time_for_its_first_copy(target, hours):
    quick, late = factories.context("quick"), factories.context("late")
    for vm, took in ((quick, timedelta(seconds=40)), (late, timedelta(hours=hours, seconds=1))):
        ended = NOON - 10 * HOUR
        spell(vm, "unprotected", ended - took, ended, target)
        spell(vm, "protected", ended, None, target)
    ProtectionSpell.objects.filter(state="unprotected").update(newest_point_at=None)
    assert {it.vm_name for it in of_the_day(LATER + 2 * HOUR).breaches} == {"late"}
    # All of its points went: that is no first copy.
    ProtectionSpell.objects.filter(vm_context=quick, state="protected").update(
        began_at=NOON - 20 * HOUR, ended_at=NOON - 11 * HOUR
    )
    assert {it.vm_name for it in of_the_day(LATER + 2 * HOUR).breaches} == {"late", "quick"}


def test_vms_of_one_name_can_be_told_apart():
    twins = [factories.context("web", vm_path=f"/Lab/vm/{at}/web") for at in "ab"]
    for vm in (*twins, factories.context("db")):
        spell(vm, "broken", NOON - 2 * HOUR, NOON)
    spell(factories.context("db"), "protected", NOON - 2 * HOUR, NOON)
    found = of_the_day()
    assert {(it.vm_name, it.apart) for it in found.breaches} == {
        ("db", ""),
        ("web", twins[0].vcenter.name),
        ("web", twins[1].vcenter.name),
    }
    said = "\n".join(report_words.breaches(found, 9))
    assert f"web ({twins[0].vcenter.name}) was broken for 2 h" in said
    assert "db was broken" in said


def test_volume_failures_and_space():
    repository = factories.repository("nfs-01")
    vm = factories.context("web", keep_in=repository)
    factories.completed_job(vm, planned_bytes=5 << 20)
    factories.completed_job(vm, planned_bytes=3 << 20)
    ReplicationJob.objects.update(completed_at=NOON)
    DiskImage.objects.update(created_at=NOON, allocated_bytes=7)
    for code in ("repository_full", "repository_full", None):
        job = factories.failed_job(vm)
        ReplicationJob.objects.filter(pk=job.pk).update(completed_at=NOON, error_code=code)
    factories.cancelled_job(vm)  # of another day
    RepositorySign.objects.create(
        **{"repository": repository, "host": "a", "looked_at": NOON, "reached_at": NOON},
        **{"free_bytes": 10, "total_bytes": 100, "full_in_seconds": 86_400.0},
    )
    for hour, free in ((NOON, 20), (LATER, 15)):
        RepositorySpace.objects.create(
            repository=repository, hour=hour, free_bytes=free, total_bytes=100, stored_bytes=80
        )
    factories.repository("unseen")
    found = of_the_day()
    assert found.jobs == {"completed": 2, "failed": 3}
    assert found.failures == {"repository_full": 2, "unexpected": 1}
    assert found.read_bytes == 8 << 20
    assert found.stored_bytes == 14
    unseen = ("unseen", None, None, None)
    assert found.space == [("nfs-01", 20, 100, None), unseen]  # when the day ended
    assert of_the_day(now=NOON + HOUR).space == [("nfs-01", 10, 100, 86_400.0), unseen]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_is_as_long_as_its_zone_makes_it(day, hours):
    begins, ends = bounds(date.fromisoformat(day), "Europe/Berlin")
    assert ends - begins == hours * HOUR
    vm = factories.context("web")
    spell(vm, "broken", begins - HOUR, ends + HOUR)
    found = of_the_day(day=date.fromisoformat(day), zone="Europe/Berlin")
    assert found.breaches[0].seconds == hours * 3600


def test_as_many_queries_for_many_vms():
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            of_the_day()
        return len(captured)

    def add(name: str) -> Any:
        vm = factories.context(name)
        factories.completed_job(vm)
        spell(vm, "broken", NOON, None)

    add("a")
    one = count()
    for name in ("b", "c", "d"):
        add(name)
    assert count() == one == 7
