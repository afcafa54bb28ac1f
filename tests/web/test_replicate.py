"""Replicate now."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from contexts.models import VMContext
from replication.models import ReplicationJob
from tests import factories
from tests.web.conftest import HTMX, notices, text


@pytest.fixture
def context(db):
    return factories.context("pgtest1")


def address(context: VMContext) -> str:
    return f"/virtual-machines/{context.pk}/replicate/"


def test_it_starts_a_job_in_the_users_name(web, context):
    view = f"/virtual-machines/?vm={context.pk}"
    answer = web.post(address(context), {"next": view}, follow=True)
    job = ReplicationJob.objects.get()
    assert (job.vm_context, job.trigger, job.requested_by) == (context, "manual", "ops")
    assert answer.redirect_chain == [(view, 302)]
    assert notices(answer) == ["Replication of pgtest1 was started."]


def test_with_htmx_the_live_part_comes_back_with_the_notice(web, context):
    view = f"/virtual-machines/?vm={context.pk}"
    answer = web.post(address(context), {"next": view}, follow=True, headers=HTMX)
    assert "<html" not in text(answer)
    assert '<div id="notices" hx-swap-oob="beforeend">' in text(answer)
    assert "Replication of pgtest1 was started." in text(answer)
    assert "Cancel" in text(answer)


def test_it_takes_only_a_post(web, context):
    assert web.get(address(context)).status_code == 405
    assert not ReplicationJob.objects.exists()


def test_it_needs_the_csrf_token(user, context):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    answer = strict.post(address(context))
    assert answer.status_code == 403
    assert "Not accepted" in text(answer)
    assert not ReplicationJob.objects.exists()


def test_a_second_one_is_refused_and_told(web, context):
    job = factories.pending_job(context)
    answer = web.post(address(context), follow=True)
    assert notices(answer) == [f"pgtest1 is already being replicated by {job.pk}."]
    assert ReplicationJob.objects.count() == 1


def test_a_vm_that_was_let_go_is_refused(web, context):
    VMContext.objects.update(unmanaged_at=timezone.now())
    answer = web.post(address(context), follow=True)
    assert "not under management" in notices(answer)[0]
    assert not ReplicationJob.objects.exists()


def test_an_unknown_vm_is_not_found(web):
    assert web.post("/virtual-machines/ctx-nothing/replicate/").status_code == 404


@pytest.mark.parametrize("elsewhere", ["https://evil.example.org/", "//evil.example.org", "x:y"])
def test_it_leads_to_no_other_site(web, context, elsewhere):
    answer = web.post(address(context), {"next": elsewhere})
    assert answer["Location"] == "/virtual-machines/"
