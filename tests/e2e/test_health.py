"""Real processes that are killed, and a page that is open meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from contexts.clock import database_now
from replication.health import broker
from replication.models import Incident, RepositorySign, SignOfLife, VCenterSign
from replication.selectors.health import Parts, health, live_slots, what_is_missing
from vmrep.web.versions import STATUS_POLL_SECONDS

QUEUES = ("copies", "storage", "control", "tick")
ALL = {*(("worker", queue) for queue in QUEUES), ("beat", ""), ("tick", "")}


def _wait(until: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def _troubles() -> set[tuple[str, str]]:
    parts = Parts(SignOfLife.objects.all(), VCenterSign.objects.all(), RepositorySign.objects.all())
    return {(str(each.kind), each.subject) for each in health(database_now(), parts).troubles}


def _alive() -> set[tuple[str, str]]:
    since = Now() - timedelta(seconds=30)
    return set(SignOfLife.objects.filter(seen_at__gt=since).values_list("kind", "queues"))


@pytest.mark.slow
def test_each_process_that_is_killed_is_missed_and_the_others_are_not(workers, monkeypatch):
    monkeypatch.setattr(broker, "problem", lambda **_: "")  # of this process, which has none
    SignOfLife.objects.filter(name__endswith=":1").delete()  # those that the fixture pretends
    _wait(lambda: _alive() == ALL, 30)
    assert _troubles() == set()
    assert live_slots("copies", database_now()) == 2
    assert all(SignOfLife.objects.values_list("broker_at", flat=True)), "Redis answers each"
    for child in workers.children:
        if child.program.name in ("copies", "beat"):
            os.kill(child.process.pid, signal.SIGKILL)
            child.process.wait()
    # 31 seconds pass, in which the others give signs.
    SignOfLife.objects.update(seen_at=Now() - timedelta(seconds=31))
    _wait(lambda: _alive() >= {("worker", queue) for queue in QUEUES[1:]}, 15)
    assert _troubles() == {("worker_dead", "copies"), ("beat_dead", "")}
    assert what_is_missing("copies", database_now())
    assert not what_is_missing("control", database_now())
    _wait(lambda: Incident.objects.filter(ended_at=None).count() == 2, 15)  # the others wrote it


@pytest.mark.django_db(transaction=True)
def test_the_banner_comes_to_a_page_that_is_open_and_goes_again(
    page: Page,
):
    page.goto("/jobs/")
    expect(page.locator("#status")).to_have_attribute("data-poll-seconds", str(STATUS_POLL_SECONDS))
    expect(page.locator("#banner")).to_be_hidden()
    SignOfLife.objects.filter(queues="copies").update(seen_at=Now() - timedelta(seconds=31))
    page.evaluate("htmx.trigger('#status', 'vmrep:poll')")
    expect(page.locator("#banner")).to_contain_text("No worker of the queue “copies” is alive.")
    expect(page.get_by_role("link", name="Health: 1 problem")).to_be_visible()
    SignOfLife.objects.update(seen_at=Now())
    page.evaluate("htmx.trigger('#status', 'vmrep:poll')")
    expect(page.locator("#banner")).to_be_hidden()
