"""Who is alive, for programs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from replication.health import broker, watch
from replication.models import SignOfLife
from tests import factories

pytestmark = pytest.mark.any_database


@pytest.fixture(autouse=True)
def redis_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "problem", lambda **_: "")


def test_all_is_well_and_who_says_so(api):
    factories.everything_lives()
    answer = api.get("health/")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["ok"], body["troubles"], body["incidents"]) == (True, [], [])
    assert body["tick"]["state"] == "alive"
    (copies,) = [each for each in body["processes"] if each["queues"] == "copies"]
    assert (copies["state"], copies["slots"]) == ("alive", 2)


def test_what_is_dead_is_told_from_the_clock_and_with_its_incident(api):
    factories.everything_lives()
    SignOfLife.objects.filter(kind="beat").update(seen_at=Now() - timedelta(seconds=31))
    watch.look()
    body = api.get("health/").json()
    assert body["ok"] is False
    (trouble,), (incident,) = body["troubles"], body["incidents"]
    assert trouble["kind"] == incident["kind"] == "beat_dead"
    assert trouble["since"] == incident["began_at"]
    assert incident["ended_at"] is None


def test_unknown_parameters_are_refused_and_nobody_gets_in_without_a_login(api, anonymous):
    assert api.get("health/?deep=1").status_code == 400
    assert anonymous.get("health/").status_code == 401
