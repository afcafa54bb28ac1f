"""When the bandwidth is limited to how much, and how jobs share it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from replication import hours
from replication.errors import LimitRefused
from replication.models import BandwidthWindow, JobStep, ReplicationJob
from replication.selectors import bandwidth
from replication.services import queue
from replication.services.bandwidth import Window, add_window, set_windows
from replication.states import StepStatus
from tests import factories

pytestmark = pytest.mark.any_database

MIB = 1 << 20
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday
MONDAY, SUNDAY, ALL = 1, 64, 127


@pytest.mark.parametrize(
    ("days", "begin", "end", "zone", "now", "is_open"),
    [
        (ALL, 0, 1440, "UTC", "2026-11-30T00:00", True),
        (MONDAY, 480, 1080, "UTC", "2026-11-30T07:59", False),
        (MONDAY, 480, 1080, "UTC", "2026-11-30T08:00", True),
        (MONDAY, 480, 1080, "UTC", "2026-11-30T17:59", True),
        (MONDAY, 480, 1080, "UTC", "2026-11-30T18:00", False),
        (MONDAY, 480, 1080, "UTC", "2026-12-01T12:00", False),
        # Over midnight it belongs to the day on which it begins.
        (SUNDAY, 1320, 360, "UTC", "2026-11-29T22:00", True),
        (SUNDAY, 1320, 360, "UTC", "2026-11-30T05:59", True),
        (SUNDAY, 1320, 360, "UTC", "2026-11-30T06:00", False),
        (SUNDAY, 1320, 360, "UTC", "2026-11-30T22:00", False),
        # In its own time zone, in summer as in winter.
        (ALL, 480, 540, "Europe/Vienna", "2026-11-30T07:30", True),
        (ALL, 480, 540, "Europe/Vienna", "2026-07-30T06:30", True),
        (ALL, 480, 540, "Europe/Vienna", "2026-07-30T07:30", False),
        (MONDAY, 0, 60, "Asia/Tokyo", "2026-11-29T15:30", True),
    ],
)
def test_when_hours_are_open(days, begin, end, zone, now, is_open):
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert hours.are_open(days, begin, end, zone, moment) is is_open


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((127, 0, 1440, "UTC"), "always"),
        ((31, 480, 1080, "Europe/Vienna"), "Mon to Fri 08:00 to 18:00, Europe/Vienna"),
        ((127, 1320, 360, "UTC"), "every day 22:00 to 06:00, UTC"),
        ((0b1100101, 0, 1440, "UTC"), "Mon, Wed, Sat, Sun 00:00 to 24:00, UTC"),
    ],
)
def test_hours_in_words(given, words):
    assert hours.in_words(*given) == words


def test_the_lowest_open_window_counts_and_a_vcenters_own_replace_those_of_all(db):
    graz, linz = factories.vcenter("Graz"), factories.vcenter("Linz")
    set_windows(None, [Window(8 * MIB), Window(2 * MIB, MONDAY, 600, 840)], actor="ops")
    assert bandwidth.limit(graz.pk, NOON) == 2 * MIB
    assert bandwidth.limit(graz.pk, NOON.replace(hour=15)) == 8 * MIB
    add_window(graz.pk, Window(64 * MIB, SUNDAY), actor="ops")
    assert bandwidth.limit(graz.pk, NOON) is None
    assert bandwidth.limit(linz.pk, NOON) == 2 * MIB
    graz.delete()
    set_windows(None, [], actor="ops")
    assert not BandwidthWindow.objects.exists()


def test_jobs_that_read_share_it_and_a_dead_one_has_nothing(db, tmp_path, monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    repository = factories.repository(path=tmp_path / "repository")
    vcenter = factories.vcenter()
    set_windows(vcenter.pk, [Window(6 * MIB)], actor="ops")
    jobs = []
    for name in "abc":
        factories.pending_job(factories.context(name, at=vcenter, keep_in=repository))
        jobs.append(queue.claim_next()[0])
    assert bandwidth.share(jobs[0], NOON) == 6 * MIB, "nobody else reads yet"
    for job in jobs[1:]:
        JobStep.objects.create(job=job, attempt=1, name="transfer", started_at=NOON)
    assert [bandwidth.share(job, NOON) for job in jobs] == [2 * MIB, 3 * MIB, 3 * MIB]
    jobs[2].places.update(expires_at=NOON.replace(year=2020))
    assert bandwidth.share(jobs[0], NOON) == 3 * MIB
    assert ReplicationJob.objects.filter(steps__status=StepStatus.RUNNING).count() == 2


@pytest.mark.parametrize(
    "window",
    [
        Window(0),
        Window(1 << 50),
        Window(MIB, days=0),
        Window(MIB, days=128),
        Window(MIB, from_minute=1440),
        Window(MIB, from_minute=60, to_minute=60),
        Window(MIB, time_zone="Mars/Base"),
    ],
)
def test_a_window_that_means_nothing_is_refused(db, window):
    with pytest.raises(LimitRefused):
        set_windows(None, [window], actor="ops")
    with pytest.raises(LimitRefused):
        set_windows(4_000_000, [Window(MIB)], actor="ops")
    assert not BandwidthWindow.objects.exists()
