"""When a VM is due: targets, calendars, hours, clocks that change, failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from replication.policies.checking import Window
from replication.scheduler.when import RunFacts, Schedule, is_open, next_open, next_run, share_of

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)  # a Wednesday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
VM = RunFacts("ctx-1", NOW - 30 * DAY, newest_point_at=NOW - 10 * MINUTE)
HOURLY = Schedule("target", 3600)
NIGHTLY = Schedule("calendar", 26 * 3600, "30 2 * * *", "Europe/Berlin", 60)
NIGHTS = (Window(31, 22 * 60, 6 * 60),)


def test_without_a_target_it_is_never_due_by_itself():
    assert next_run(Schedule("none"), VM, NOW) is None


def test_a_vm_without_a_recovery_point_is_due_since_it_was_taken():
    assert next_run(HOURLY, VM._replace(newest_point_at=None), NOW)[:3] == (
        VM.since,
        "first",
        False,
    )


def test_a_target_is_met_with_what_a_replication_takes_and_each_vm_a_little_apart():
    at = {}
    for number in range(1000):
        vm = VM._replace(context_id=f"ctx-{number}", lead_seconds=300)
        due = next_run(HOURLY, vm, NOW)
        at[number] = (due.at - vm.newest_point_at).total_seconds()
        assert due.why == "target"
    assert 2940 <= min(at.values()) < 2960
    assert 3280 < max(at.values()) <= 3300
    assert sum(share_of(f"ctx-{number}") < 0.5 for number in range(1000)) in range(450, 550)
    slow = next_run(HOURLY, VM._replace(lead_seconds=9000), NOW)
    assert slow.at >= VM.newest_point_at + 24 * MINUTE, "not one after the other without a rest"


@pytest.mark.parametrize(
    ("failures", "rest"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (6, 15), (500, 15)]
)
def test_after_failures_it_rests_longer_each_time_but_never_much_of_its_target(failures, rest):
    vm = VM._replace(newest_point_at=NOW - DAY, ended_at=NOW, failures_in_a_row=failures)
    assert next_run(HOURLY, vm, NOW)[:3] == (NOW + rest * MINUTE, "retry", False)
    assert next_run(Schedule("target", 60), vm, NOW).at == NOW + MINUTE
    assert next_run(Schedule("target", 30 * 86_400), vm._replace(newest_point_at=None), NOW).at <= (
        NOW + HOUR
    )


def test_what_only_a_person_can_end_is_tried_once_an_hour_or_once_per_target():
    vm = VM._replace(
        newest_point_at=NOW - 9 * DAY, ended_at=NOW, failures_in_a_row=3, needs_a_person=True
    )
    assert next_run(Schedule("target", 300), vm, NOW).at == NOW + HOUR
    assert next_run(Schedule("target", 86_400), vm, NOW).at == NOW + DAY


def test_a_calendar_starts_in_its_zone_and_a_missed_start_is_made_up_for_once():
    tonight = datetime(2026, 6, 11, 0, 30, tzinfo=UTC)
    assert next_run(NIGHTLY, VM, NOW) == (tonight, "calendar", False, tonight + HOUR)
    late = tonight + 59 * MINUTE
    assert next_run(NIGHTLY, VM, late).at == tonight, "it may still start"
    too_late = tonight + 61 * MINUTE
    assert next_run(NIGHTLY, VM, too_late).at == tonight + DAY
    after_days = tonight + 3 * DAY + 10 * MINUTE
    assert next_run(NIGHTLY, VM, after_days).at == tonight + 3 * DAY
    started = VM._replace(started_at=tonight + MINUTE)
    assert next_run(NIGHTLY, started, tonight + 2 * MINUTE).at == tonight + DAY


def test_a_calendar_is_tried_again_while_it_may_still_start():
    start = datetime(2026, 6, 11, 0, 30, tzinfo=UTC)
    vm = VM._replace(started_at=start, ended_at=start + 5 * MINUTE, failures_in_a_row=1)
    assert next_run(NIGHTLY, vm, start + 6 * MINUTE)[:3] == (start + 6 * MINUTE, "retry", False)
    vm = vm._replace(ended_at=start + 70 * MINUTE)
    assert next_run(NIGHTLY, vm, start + 71 * MINUTE).why == "calendar"


@pytest.mark.parametrize(
    ("day", "hour", "minute"),
    [
        ((2026, 3, 28), 1, 30),
        ((2026, 3, 29), 1, 0),
        ((2026, 10, 24), 0, 30),
        ((2026, 10, 26), 1, 30),
    ],
)
def test_clocks_that_change_skip_and_repeat_no_start(day, hour, minute):
    """At 02:30, which is not there on 29 March and twice there on 25 October."""
    midnight = datetime(*day, tzinfo=UTC)
    due = next_run(NIGHTLY, VM._replace(since=midnight), midnight)
    assert due.at == midnight + hour * HOUR + minute * MINUTE


def test_outside_of_its_hours_nothing_starts():
    berlin = HOURLY._replace(windows=NIGHTS, time_zone="Europe/Berlin")
    assert next_run(berlin, VM, NOW).at == datetime(2026, 6, 10, 20, tzinfo=UTC)
    friday_night = datetime(2026, 6, 13, 3, 59, tzinfo=UTC)  # Saturday 05:59 in Berlin
    assert is_open(berlin, friday_night)
    assert next_open(berlin, friday_night + MINUTE) == datetime(2026, 6, 15, 20, tzinfo=UTC)
    whole_days = berlin._replace(windows=(Window(32, 0, 1440),))
    assert is_open(whole_days, datetime(2026, 6, 13, 21, 59, tzinfo=UTC))
    assert not is_open(whole_days, datetime(2026, 6, 13, 22, 0, tzinfo=UTC))


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 28), 7), ((2026, 10, 24), 9)])
def test_a_night_when_the_clocks_change_is_as_long_as_it_is(day, hours):
    nights = HOURLY._replace(windows=(Window(127, 22 * 60, 6 * 60),), time_zone="Europe/Berlin")
    noon = datetime(*day, 12, tzinfo=UTC)
    begin = next_open(nights, noon)
    open_for = next(n for n in range(1, 24) if not is_open(nights, begin + n * HOUR))
    assert open_for == hours


def test_a_calendar_starts_within_its_hours_or_not_at_all():
    hours = (Window(127, 3 * 60, 6 * 60),)
    wanted = NIGHTLY._replace(windows=hours)
    assert next_run(wanted, VM, NOW).at == datetime(2026, 6, 11, 1, 0, tzinfo=UTC)  # 03:00 there
    far = wanted._replace(cron="30 2 * * *", windows=(Window(127, 12 * 60, 13 * 60),))
    assert next_run(far, VM, NOW).why == "calendar", "hours that never meet it do not stop it"
    some = wanted._replace(cron="30 2,12 * * *", windows=(Window(127, 12 * 60, 13 * 60),))
    assert next_run(some, VM, NOW).at == datetime(2026, 6, 11, 10, 30, tzinfo=UTC)


def test_what_was_due_in_hours_that_are_over_waits_for_the_next_ones():
    nights = HOURLY._replace(windows=NIGHTS)
    vm = VM._replace(newest_point_at=NOW - 8 * HOUR)  # due at about five, in the night
    due = next_run(nights, vm, NOW)
    assert due[:2] == (datetime(2026, 6, 10, 22, tzinfo=UTC), "target")
    assert due.holds_until == datetime(2026, 6, 11, 6, tzinfo=UTC)
    in_the_night = next_run(nights, vm, NOW - 7 * HOUR)
    assert in_the_night.at < NOW - 7 * HOUR
    assert in_the_night.holds_until == datetime(2026, 6, 10, 6, tzinfo=UTC)
    early = NIGHTLY._replace(windows=(Window(127, 0, 3 * 60),), latest_start_minutes=240)
    over = datetime(2026, 6, 11, 2, tzinfo=UTC)  # 04:00 in Berlin; missed at 02:30
    assert next_run(early, VM, over).at == datetime(2026, 6, 12, 0, 30, tzinfo=UTC)


def test_a_comparison_rides_along_or_comes_by_itself():
    weekly = HOURLY._replace(compare_every_days=7)
    first = VM._replace(newest_point_at=None)
    assert not next_run(weekly, first, NOW).compare, "the first copy reads everything"
    assert next_run(weekly, VM, NOW).compare, "which job read everything is forgotten by now"
    young = VM._replace(since=NOW - 6 * DAY)
    assert not next_run(weekly, young, NOW).compare
    assert not next_run(weekly, VM._replace(compared_at=NOW - 6 * DAY), NOW).compare
    vm = VM._replace(compared_at=NOW - 8 * DAY)
    assert next_run(weekly, vm, NOW).compare
    alone = next_run(Schedule("none", compare_every_days=7), vm, NOW)
    assert alone[:3] == (NOW - DAY, "compare", True)
    failed = vm._replace(ended_at=NOW, failures_in_a_row=1)
    assert next_run(Schedule("none", compare_every_days=7), failed, NOW).at == NOW + MINUTE
