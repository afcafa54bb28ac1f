"""The integrity check's result: on every page, in full on its own, and asked for."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import VMContext
from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.models import IntegrityFinding, IntegrityRun
from tests import factories
from tests.factories import HOSTILE_NAME
from tests.web.conftest import HTMX, notices, text


@pytest.fixture
def damaged(db: None) -> VMContext:
    context = factories.context(HOSTILE_NAME, at=factories.vcenter(host="127.0.0.1", port=1))
    factories.failed_job(context)
    VMContext.objects.update(total_jobs_run=0, failed_jobs=0)
    return context


def checked() -> IntegrityRun:
    return runs.run_now(Scope(), actor="schedule")


def test_every_page_says_that_nothing_was_checked_yet(web):
    assert "Integrity: not checked yet" in text(web.get("/jobs/"))


def test_every_page_shows_the_result_in_words(web):
    run = checked()
    IntegrityRun.objects.update(completed_at=timezone.now() - timedelta(minutes=12, seconds=5))
    page = text(web.get("/jobs/"))
    assert "Integrity: ok, 12 m ago" in page
    assert 'href="/integrity/"' in page
    assert run.outcome == "ok"


def test_findings_are_counted_on_every_page(web, damaged):
    checked()
    assert "Integrity: 3 findings" in text(web.get("/jobs/"))


def test_the_page_lists_findings_with_remedy_and_a_link_to_the_vm(web, damaged):
    checked()
    page = text(web.get("/integrity/"))
    assert "counters_differ" in page
    assert "failed_jobs is 0 of 1 job" in page
    assert "--repair raises it" in page
    assert f'href="/virtual-machines/?vm={damaged.pk}"' in page
    assert web.get(f"/virtual-machines/?vm={damaged.pk}").status_code == 200


def test_names_are_shown_harmlessly(web, damaged):
    checked()
    assert HOSTILE_NAME not in text(web.get("/integrity/"))
    assert "&lt;script&gt;" in text(web.get("/integrity/"))


def test_what_was_mended_is_distinguished(web, damaged):
    runs.run_now(Scope(), actor="ops", repair=True)
    page = text(web.get("/integrity/"))
    assert "Repaired by this run" in page
    assert "failed_jobs from 0 to 1" in page


def test_check_now_asks_for_a_run(web):
    answer = web.post("/integrity/check/", follow=True)
    assert notices(answer) == ["The integrity check starts in a moment."]
    assert IntegrityRun.objects.get().requested_by == "ops"
    assert "Waiting for a worker…" in text(answer)
    assert "Check now" not in text(answer)


def test_a_second_click_starts_no_second_run(web):
    IntegrityRun.objects.create(requested_by="schedule")
    answer = web.post("/integrity/check/", follow=True)
    assert notices(answer) == ["schedule has already requested a check; it will run soon."]
    assert IntegrityRun.objects.count() == 1


def test_looking_at_a_page_starts_nothing(web):
    assert web.get("/integrity/check/").status_code == 405
    assert not IntegrityRun.objects.exists()


def test_a_run_that_died_is_shown_and_can_be_repeated(web):
    IntegrityRun.objects.create(requested_by="schedule", outcome="running")
    IntegrityRun.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    page = text(web.get("/integrity/"))
    assert "stopped before it finished" in page
    assert "Check now" in page
    assert "Integrity: stopped early" in page
    web.post("/integrity/check/")
    assert set(IntegrityRun.objects.values_list("outcome", flat=True)) == {"broken_off", "pending"}


def test_a_poll_gets_a_page_only_when_something_changed(web):
    shown = re.search(r'data-version="([^"]+)"', text(web.get("/integrity/", headers=HTMX)))
    assert shown
    headers = {**HTMX, "X-Vmrep-Version": shown[1]}
    assert web.get("/integrity/", headers=headers).status_code == 204
    checked()
    assert web.get("/integrity/", headers=headers).status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_findings(web, queries, damaged):
    run = checked()
    before = queries(lambda: web.get("/integrity/"))
    IntegrityFinding.objects.bulk_create(
        IntegrityFinding(
            run=run, code="x", severity="error", what="w", remedy="r", repairable=False
        )
        for _ in range(30)
    )
    assert queries(lambda: web.get("/integrity/")) == before


def test_nobody_gets_in_without_a_login(client, db):
    for address in ("/integrity/", "/integrity/check/"):
        assert client.get(address).status_code == 302
        assert client.post(address).status_code == 302
    assert not IntegrityRun.objects.exists()
