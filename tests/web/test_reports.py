"""The report of a day: page, file, API."""

from __future__ import annotations

import csv
from datetime import timedelta

import pytest
from django.utils import timezone

from replication.models import ProtectionSpell, ReplicationJob
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
HOSTILE = "=cmd|'/c calc'!A1"


@pytest.fixture
def breach() -> ProtectionSpell:
    return ProtectionSpell.objects.create(
        vm_context=factories.context(HOSTILE),
        state="broken",
        began_at=timezone.now() - timedelta(seconds=2),
        target_seconds=3600,
    )


def test_the_page_shows_today_and_leads_to_the_days_before(web, breach):
    page = web.get("/report/").content.decode()
    today = timezone.now().date()
    assert "so far" in page
    assert "0 %" in page
    assert f"?day={today - timedelta(days=1)}&amp;time_zone=UTC" in page
    assert "Day after" not in page
    assert "=cmd|&#x27;/c calc&#x27;!A1" in page
    before = web.get(f"/report/?day={today - timedelta(days=3)}").content.decode()
    assert "No VM was over its target" in before
    assert "Day after" in before


@pytest.mark.parametrize("query", ["day=x", "day=0001-01-01", "day=9999-12-31", "time_zone=../x"])
def test_what_makes_no_sense_is_today(web, query):
    assert "so far" in web.get(f"/report/?{query}").content.decode()


def test_the_file_has_every_breach_and_nothing_that_a_spreadsheet_would_calculate(web, breach):
    answer = web.get("/report/csv/")
    assert "attachment" in answer["Content-Disposition"]
    lines = b"".join(answer.streaming_content).decode().splitlines()
    (row,) = csv.DictReader(lines)
    assert (row["VM"], row["Was"]) == (f"'{HOSTILE}", "Broken")
    assert row["Context ID"] == breach.vm_context_id


def test_why_replications_failed_is_said_in_words(web):
    job = factories.failed_job(factories.context())
    for code, words in (
        ("preflight_refused", "cannot be replicated as it is"),
        ("of_old", "Of old"),
    ):
        ReplicationJob.objects.filter(pk=job.pk).update(error_code=code)
        page = web.get("/report/").content.decode()
        assert words in page
        assert code not in page


def test_the_api_says_the_same(web, breach, client):
    key = factories.token(factories.user("program"))
    client.defaults["HTTP_AUTHORIZATION"] = f"Token {key}"
    body = client.get("/api/v1/report/").json()
    assert (body["breach_count"], body["within_target"]) == (1, 0.0)
    assert body["breaches"][0]["vm_name"] == HOSTILE
    assert body["states"]["unprotected"] == 1, "as the pages say, now"
    for wrong in ("day=x", "day=9999-12-31", "time_zone=x"):
        assert client.get(f"/api/v1/report/?{wrong}").status_code == 400
