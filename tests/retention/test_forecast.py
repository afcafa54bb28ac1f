"""How much room retention takes in the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexts.clock import database_now
from replication.engine.target import Room
from replication.models import DiskImage, VMSchedule
from replication.models import RepositorySpace as SpaceSample
from replication.policies import services, settle
from replication.retention.choose import Rules
from replication.retention.forecast import Stored, measured, steady_bytes
from replication.scheduler import dates
from replication.selectors import space
from tests import factories

pytestmark = pytest.mark.any_database
GIB, DAY = 1 << 30, 86_400
VM = Stored(100 * GIB, 10 * GIB / DAY)


@pytest.mark.parametrize(
    ("rules", "interval", "gib"),
    [
        (Rules(last=4), DAY, 100 + 4 * 10),
        (Rules(last=24), 3600, 100 + 24 * 10 / 24),
        (Rules(daily=7), DAY, 100 + 10 + 7 * 10),
        (Rules(last=1, weekly=4), DAY, 100 + 10 + 4 * 70),
        (Rules(last=1, monthly=2), DAY, 100 + 10 + 2 * 100),  # a full copy at most
        (Rules(last=40), DAY, 100 * 2 + 40 * 10),  # a second chain
        (Rules(last=1, hourly=24), DAY, 100 + 25 * 10),  # no more than there are
    ],
)
def test_what_the_rules_take_in_the_end(rules, interval, gib):
    assert steady_bytes(VM, rules, interval) / GIB == pytest.approx(gib)


def test_of_less_than_a_day_nothing_is_said():
    assert measured(GIB, GIB, timedelta(hours=23)) is None
    assert measured(None, GIB, timedelta(days=2)) is None
    assert measured(GIB, GIB, None) is None
    assert measured(GIB, 2 * DAY, timedelta(days=2)) == Stored(GIB, 1)


counts = st.integers(0, 40)


@settings(max_examples=40)
@given(st.builds(Rules, counts, counts, counts, counts, counts, counts), st.integers(60, DAY))
def test_more_is_kept_in_no_less_room(rules, interval):
    more = rules._replace(last=rules.last + 1, daily=rules.daily + 1)
    assert steady_bytes(VM, more, interval) >= steady_bytes(VM, rules, interval) >= VM.base_bytes


@pytest.mark.django_db
def test_what_a_vm_stores_is_measured_and_a_repository_levels_off_or_is_full(tmp_path):
    repository = factories.repository(path=tmp_path / "repository")
    vm = factories.context("web", keep_in=repository)
    now = database_now()
    for days in (2, 1, 0):
        size = (10 if days == 2 else 1) << 20
        factories.completed_job(vm, planned_bytes=size, consistent_at=now - timedelta(days=days))
    DiskImage.objects.update(created_at=now - timedelta(days=1.5))
    services.set_own(vm, {**services.target(86_400), "retention_kind": "all"}, actor="ops")
    room = Room(1, 50 << 20, 1 << 30)
    SpaceSample.objects.create(
        repository=repository, hour=now, free_bytes=1, total_bytes=1, stored_bytes=12 << 20
    )

    def forecast() -> space.Forecast:
        settle.tick()
        dates.tick()
        return space.forecast_of(repository, room, now)

    assert forecast() == (None, False, pytest.approx(1.5 * 86_400 * 50 / 12, rel=0.01))
    schedule = VMSchedule.objects.get()
    assert schedule.base_bytes == 10 << 20
    assert schedule.stored_per_second * 86_400 == pytest.approx(1 << 20)
    kept = {"retention_kind": "rules", "keep_last": 7}
    services.set_own(vm, {**services.target(86_400), **kept}, actor="ops")
    steady, levels_off, full_in = forecast()
    assert (steady / (1 << 20), levels_off, full_in) == (pytest.approx(17), True, None)
    services.set_own(vm, {**services.target(86_400), **kept, "keep_last": 90}, actor="ops")
    steady, levels_off, full_in = forecast()
    assert (steady / (1 << 20), levels_off) == (pytest.approx(30 + 90), False)
    assert full_in is not None
    factories.context("new", keep_in=repository)
    assert forecast().steady_bytes is None, "nothing is known of one"
