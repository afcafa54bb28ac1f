"""Clocks of workers may be hours off: moments come from the database, and what is dated ahead of
the present makes no VM look protected."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from contexts import clock
from contexts.fields import MomentField
from contexts.models import Discovery, VMContext
from replication.models import RecoveryPoint, ReplicationJob, VMSnapshot
from replication.selectors.contexts import context_counts, contexts_for_list, contexts_in_detail
from replication.selectors.protection import CLOCKS_MAY_DIFFER, Protection, age_seconds
from replication.services import left_overs
from tests import factories
from vmrep.web.views import discovery

pytestmark = pytest.mark.django_db
AHEAD = timedelta(hours=6)
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has the clock of the process that asks"
)


@pytest.fixture
def clock_ahead(monkeypatch):
    """This process's clock is six hours ahead of the database's."""
    present = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: present() + AHEAD)
    monkeypatch.setattr(clock, "_last", None)


def dated_ahead(target_seconds: int | None):
    context = factories.context("web")
    context.rpo_target_seconds = target_seconds
    context.save(update_fields=["rpo_target_seconds"])
    point = factories.recovery_point(context)
    RecoveryPoint.objects.filter(pk=point.pk).update(consistent_at=timezone.now() + AHEAD)
    return context


@on_postgresql
def test_a_discovery_that_was_just_requested_does_not_wait_long(clock_ahead):
    run = factories.discovery(factories.vcenter(), "pending", started_at=None)
    for waits, is_long in ((timedelta(0), False), (timedelta(minutes=1), True)):
        Discovery.objects.update(created_at=Now() - waits)
        run.refresh_from_db()
        assert discovery._is_waiting_long(run) is is_long


@pytest.mark.parametrize("target_seconds", [None, 3600, 86_400])
def test_a_point_from_the_future_makes_no_vm_green(target_seconds):
    context = dated_ahead(target_seconds)
    found = contexts_in_detail().get(pk=context.pk)
    assert (found.protection, found.is_dated_ahead) == (Protection.OVER_TARGET, True)
    counts = context_counts(VMContext.objects.all())
    assert (counts[Protection.PROTECTED], counts[Protection.OVER_TARGET]) == (0, 1)
    assert not contexts_for_list().filter(protection=Protection.PROTECTED).exists()


def test_its_age_is_not_said_to_be_nothing():
    now = timezone.now()
    assert age_seconds(now + AHEAD, now) is None
    assert age_seconds(now + CLOCKS_MAY_DIFFER / 2, now) == 0
    assert age_seconds(now - AHEAD, now) == AHEAD.total_seconds()
    assert age_seconds(None, now) is None


def test_a_point_of_just_now_is_one():
    context = factories.context("web")
    factories.recovery_point(context)
    found = contexts_in_detail().get(pk=context.pk)
    assert (found.protection, found.is_dated_ahead) == (Protection.NO_TARGET, False)


def test_pages_and_api_say_so_in_words(client):
    context = dated_ahead(None)
    user = factories.user()
    client.force_login(user)
    page = client.get(f"/virtual-machines/?vm={context.pk}").text
    assert "in the future" in page
    assert "a clock was wrong" in page
    token = {"HTTP_AUTHORIZATION": f"Token {factories.token(user)}"}
    answer = client.get(f"/api/v1/vm-contexts/{context.pk}/", **token).json()["context"]
    assert (answer["protection"], answer["rpo_seconds"]) == ("over_target", None)
    assert answer["newest_recovery_point_at"] is not None


@on_postgresql
def test_the_present_is_the_databases(clock_ahead):
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (present,) = cursor.fetchone()
    for now in (clock.database_now(), clock.about_now(), clock.about_now()):
        assert abs(now - present) < timedelta(seconds=30)


@on_postgresql
def test_what_is_asked_for_lists_costs_no_query_each_time(django_assert_num_queries):
    clock.about_now()
    with django_assert_num_queries(0):
        assert clock.about_now() <= clock.about_now()


@on_postgresql
def test_a_web_server_whose_clock_is_ahead_shows_the_true_age(clock_ahead):
    context = factories.context(
        "web",
    )
    context.rpo_target_seconds = 3600
    context.save(update_fields=["rpo_target_seconds"])
    factories.recovery_point(context, consistent_at=clock.database_now())
    assert contexts_in_detail().get(pk=context.pk).protection == Protection.PROTECTED


@on_postgresql
def test_rows_are_dated_by_the_database(clock_ahead):
    job = factories.pending_job(factories.context("web"))
    job.save()
    for moment in (job.created_at, job.updated_at, job.vm_context.created_at):
        assert abs(moment - clock.database_now()) < timedelta(minutes=1)


def test_no_row_dates_itself_by_another_clock():
    """A column that fills itself does it by the database's clock, in every table of vmrep's."""
    ours = [
        model
        for model in apps.get_models()
        if model.__module__.startswith(("contexts.", "replication."))
    ]
    filled = [
        field
        for model in ours
        for field in model._meta.concrete_fields
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    ]
    assert len(filled) > 20
    assert all(isinstance(field, MomentField) for field in filled)


@on_postgresql
def test_a_snapshot_that_was_asked_for_lately_may_come_whatever_the_workers_clock(clock_ahead):
    context = factories.context("web")
    job = factories.pending_job(context)
    row = factories.snapshot_of(job, clock.database_now())
    VMSnapshot.objects.filter(pk=row.pk).update(state="intended", moref="", quiesced=None)
    row.refresh_from_db()
    assert left_overs.may_still_appear(row)
    row.consistent_at -= left_overs.SNAPSHOT_MAY_COME_FOR
    assert not left_overs.may_still_appear(row)


def test_the_offset_is_looked_at_again(monkeypatch):
    monkeypatch.setattr(clock, "_last", clock._Look(AHEAD, time.monotonic() - 1))
    assert clock.about_now() - timezone.now() < timedelta(minutes=1)


@on_postgresql
@pytest.mark.parametrize("hours", [6, -6], ids=["ahead", "behind"])
def test_a_web_server_whose_clock_is_off_writes_true_ages_and_countdowns(hours, monkeypatch):
    context = factories.context("web")
    factories.completed_job(context)
    waiting = factories.pending_job(factories.context("tries again"))
    ReplicationJob.objects.filter(pk=waiting.pk).update(
        next_attempt_at=Now() + timedelta(minutes=3), attempt=2
    )
    running = factories.running_job(factories.context("runs"))
    ReplicationJob.objects.filter(pk=running.pk).update(started_at=Now() - timedelta(minutes=7))
    client = Client()
    client.force_login(factories.user("ops"))
    present = timezone.now
    session_holds_until = present() + timedelta(days=7)
    monkeypatch.setattr(timezone, "now", lambda: present() + timedelta(hours=hours))
    monkeypatch.setattr(clock, "_last", None)
    assert timezone.now() < session_holds_until
    page = client.get(f"/jobs/{waiting.pk}/").content.decode()
    seconds = int(re.search(r'data-countdown="(\d+)"', page)[1])
    assert 120 < seconds <= 180
    written = datetime.fromisoformat(re.search(r'vmrep-now" content="([^"]+)"', page)[1])
    assert abs(written - present()) < timedelta(minutes=1)
    assert "7 m" in client.get(f"/jobs/{running.pk}/").content.decode()
    for address in ("/jobs/", "/virtual-machines/", f"/virtual-machines/?vm={context.pk}&tab=jobs"):
        shown = re.findall(r"<time [^>]*>([^<]*)</time>", client.get(address).content.decode())
        assert shown
        assert all(re.fullmatch(r"just now|\d+ [sm] ago|\d+ [sm]", each) for each in shown), shown
    assert f"{present():%Y%m%d-%H}" in factories.pending_job(factories.context("named")).pk
