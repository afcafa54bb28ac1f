"""The home page's numbers, asked of real rows and real folders."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contexts.models import VMContext
from replication.engine.target import Room
from replication.models import DiskImage, ReplicationJob, Repository
from replication.selectors import home, space
from replication.selectors.protection import Terms
from replication.states import ImageState
from tests import factories

GIB = 1 << 30
DAY = timedelta(days=1)
WEEK_SECONDS = 7 * 86_400


ALL = home.Visible(VMContext.objects.all(), ReplicationJob.objects.all(), Repository.objects.all())


def numbers_at(now: datetime) -> home.HomeNumbers:
    return home.home_numbers(home.settled(ALL, Terms(now)), ALL)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def test_an_empty_installation_has_nothing_and_invents_nothing(db):
    numbers = numbers_at(timezone.now())
    assert numbers.worst is None
    assert (numbers.running_jobs, numbers.waiting_jobs, numbers.failed_jobs) == (0, 0, 0)
    assert (numbers.moved_bytes, numbers.successful_jobs) == (0, 0)
    assert numbers.repositories.all == ()
    assert numbers.repositories.worst is None


def test_the_worst_rpo_is_the_oldest_newest_recovery_point_of_a_managed_vm(db):
    now = timezone.now()
    factories.context("none")
    old = factories.context("old")
    factories.recovery_point(old, now - 5 * DAY)
    factories.recovery_point(old, now - DAY)
    factories.recovery_point(factories.context("new"), now)
    gone = factories.context("gone")
    factories.recovery_point(gone, now - 9 * DAY)
    VMContext.objects.filter(pk=gone.pk).update(unmanaged_at=now)
    worst = numbers_at(now).worst
    assert worst == old
    assert worst.newest_point_at == now - DAY


def test_the_worst_rpo_is_relative_to_the_target(db):
    now = timezone.now()
    ages = {"slow": (20, 24), "fast": (2, 1), "none": (99, None)}
    for name, (hours, target_hours) in ages.items():
        context = factories.context(name)
        factories.recovery_point(context, now - timedelta(hours=hours))
        target = target_hours and target_hours * 3600
        VMContext.objects.filter(pk=context.pk).update(rpo_target_seconds=target)
    worst = numbers_at(now).worst
    assert worst.vm_name == "fast", "2 h of 1 h is worse than 20 h of 24 h"
    assert (worst.rpo_target_seconds, worst.protection) == (3600, "over_target")


def test_jobs_count_while_they_run_and_for_a_day_after_their_end(db):
    now = timezone.now()
    factories.running_job(factories.context())  # 8 MiB read so far
    factories.pending_job(factories.context())
    factories.failed_job(factories.context())
    factories.completed_job(factories.context())  # 32 MiB
    old = factories.completed_job(factories.context())
    failed = factories.failed_job(factories.context())
    long_ago = now - timedelta(hours=25)
    ReplicationJob.objects.filter(pk__in=[old.pk, failed.pk]).update(completed_at=long_ago)
    numbers = numbers_at(now)
    assert (numbers.running_jobs, numbers.waiting_jobs, numbers.failed_jobs) == (1, 1, 1)
    assert numbers.moved_bytes == 40 * factories.MIB
    assert numbers.successful_jobs == 2


@pytest.mark.any_database
def test_the_number_of_queries_does_not_grow(db):
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            numbers_at(timezone.now())
            home.last_job_failed_count(ALL)
        return len(captured)

    factories.completed_job(factories.context())
    one = count()
    for _ in range(5):
        context = factories.context()
        factories.completed_job(context)
        factories.failed_job(context)
    assert count() == one


# ------------------------------------------------------------- room


def images_of(repository, *, gib: int, age: timedelta) -> None:
    """A recovery point whose files take that much, committed so long ago."""
    job = factories.completed_job(factories.context(keep_in=repository))
    DiskImage.objects.filter(job=job).update(
        allocated_bytes=gib * GIB, created_at=timezone.now() - age
    )


def test_the_room_is_that_of_the_repositorys_file_system(db, tmp_path):
    factories.repository("here", tmp_path / "here")
    repositories = space.of_repositories(Repository.objects.all(), timezone.now())
    usage = shutil.disk_usage(tmp_path)
    assert abs(repositories.free_bytes - usage.free) < GIB
    assert repositories.free_bytes <= repositories.total_bytes <= usage.total
    assert repositories.unavailable == []


def test_two_repositories_on_one_file_system_share_their_room(db, tmp_path):
    factories.repository("one", tmp_path / "one")
    alone = space.of_repositories(Repository.objects.all(), timezone.now()).total_bytes
    factories.repository("two", tmp_path / "two")
    assert space.of_repositories(Repository.objects.all(), timezone.now()).total_bytes == alone


def test_a_repository_without_its_marker_is_not_measured(db, tmp_path):
    """Where a share is not mounted, the room would be another file system's."""
    repository = factories.repository("share", tmp_path / "share")
    shutil.rmtree(repository.config["path"])
    (tmp_path / "share").mkdir()
    repositories = space.of_repositories(Repository.objects.all(), timezone.now())
    assert [each.name for each in repositories.unavailable] == ["share"]
    assert (repositories.total_bytes, repositories.worst) == (0, None)


def test_a_share_that_does_not_answer_has_no_room(db, tmp_path, hanging_share):
    factories.repository("hangs", tmp_path / "hangs")
    with hanging_share(tmp_path / "hangs"):
        assert [
            it.name
            for it in space.of_repositories(Repository.objects.all(), timezone.now()).unavailable
        ] == ["hangs"]


def test_the_forecast_comes_from_the_growth_of_the_last_week(db, tmp_path):
    repository = factories.repository("here", tmp_path / "here")
    images_of(repository, gib=100, age=30 * DAY)
    images_of(repository, gib=7, age=3 * DAY)
    (found,) = space.of_repositories(Repository.objects.all(), timezone.now()).all
    assert found.growth_bytes == 7 * GIB
    assert found.full_in_seconds == pytest.approx(found.room.free_bytes / (7 * GIB) * WEEK_SECONDS)


def test_what_is_not_committed_is_no_growth(db, tmp_path):
    repository = factories.repository("here", tmp_path / "here")
    images_of(repository, gib=7, age=3 * DAY)
    factories.running_job(factories.context(keep_in=repository))
    DiskImage.objects.filter(state=ImageState.WRITING).update(allocated_bytes=GIB)
    (found,) = space.of_repositories(Repository.objects.all(), timezone.now()).all
    assert found.growth_bytes == 7 * GIB


@pytest.mark.parametrize(
    ("growth_gib", "history", "days"),
    [
        (7, 30 * DAY, 10.0),
        (7, 2 * DAY, 10 / 3.5),  # what there is of a week
        (7, timedelta(hours=23), None),
        (0, 30 * DAY, None),
    ],
)
def test_a_forecast_needs_a_day_of_history_and_growth(growth_gib, history, days):
    seconds = space.forecast(10 * GIB, growth_gib * GIB, history)
    assert (seconds and round(seconds / 86_400, 3)) == (days and round(days, 3))


def test_the_worst_is_the_one_that_is_full_first_and_else_the_fullest():
    def with_room(name: str, free: int, seconds: float | None) -> space.RepositorySpace:
        return space.RepositorySpace(name, Room(free, free, 100), 1, seconds)

    small, soon, big = (
        with_room("small", 5, None),
        with_room("soon", 50, 100.0),
        with_room("big", 90, None),
    )
    assert space.Repositories((big, soon, small)).worst == soon
    assert space.Repositories((big, small)).worst == small
