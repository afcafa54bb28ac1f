"""Replicating and cancelling what was ticked: each VM on its own, one notice for all."""

from __future__ import annotations

import pytest
from django.test import Client

from contexts.models import VMContext
from replication.models import ReplicationJob
from replication.services import bulk
from replication.states import JobStatus
from tests import factories
from tests.web.conftest import HTMX, notices, text

ADDRESS = "/virtual-machines/bulk/"


def post(web: Client, action: str, *contexts: VMContext, **more: str):
    data = {"action": action, "vm": [context.pk for context in contexts], **more}
    return web.post(ADDRESS, data, follow=True)


@pytest.fixture
def three(db) -> list[VMContext]:
    vcenter, repository = factories.vcenter(), factories.repository()
    return [factories.context(name, at=vcenter, keep_in=repository) for name in ("a", "b", "c")]


def test_it_starts_a_job_for_each_in_the_users_name(web, three):
    answer = post(web, "start", *three, next="/virtual-machines/?sort=-name")
    jobs = ReplicationJob.objects.order_by("source_vm_name")
    assert [job.source_vm_name for job in jobs] == ["a", "b", "c"]
    assert {(job.requested_by, job.trigger, job.status) for job in jobs} == {
        ("ops", "manual", JobStatus.PENDING)
    }
    assert notices(answer) == ["3 replications were started."]
    assert answer.redirect_chain == [("/virtual-machines/?sort=-name", 302)]


def test_one_that_is_refused_stops_none_of_the_others_and_is_named_with_its_reason(web, three):
    job = factories.pending_job(three[1])
    answer = post(web, "start", *three)
    assert ReplicationJob.objects.count() == 3
    assert notices(answer) == [
        f"2 replications were started. 1 VM was refused: b is already being replicated by {job.pk}."
    ]
    (message,) = answer.context["messages"]
    assert message.level_tag == "warning"


def test_where_all_are_refused_it_is_an_error(web, three):
    VMContext.objects.update(repository=None)
    answer = post(web, "start", *three)
    (message,) = answer.context["messages"]
    assert message.level_tag == "error"
    assert str(message).startswith("3 VMs were refused: a has no repository. Choose one for it.")


def test_of_many_refusals_the_first_are_named_and_the_others_counted(web):
    vcenter = factories.vcenter()
    contexts = [factories.context(f"vm{number}", at=vcenter) for number in range(8)]
    VMContext.objects.update(repository=None)
    (told,) = notices(post(web, "start", *contexts))
    assert told.startswith("8 VMs were refused: vm0 has no repository")
    assert "vm4" in told
    assert "vm5" not in told
    assert told.endswith("And 3 more.")


def test_a_hostile_name_is_written_as_text(web):
    context = factories.context(factories.HOSTILE_NAME)
    factories.pending_job(context)
    page = text(post(web, "start", context))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;/../x is already being replicated by" in page


def test_one_ticked_twice_is_started_once(web, three):
    answer = post(web, "start", three[0], three[0])
    assert notices(answer) == ["1 replication was started."]


def test_one_that_does_not_exist_is_named(web, three):
    answer = web.post(ADDRESS, {"action": "start", "vm": ["ctx-none", three[0].pk]}, follow=True)
    (told,) = notices(answer)
    assert "There is no VM context 'ctx-none'." in told
    assert ReplicationJob.objects.count() == 1


def test_one_that_is_not_under_management_is_refused(web, three):
    VMContext.objects.filter(pk=three[0].pk).update(unmanaged_at=three[0].created_at)
    (told,) = notices(post(web, "start", three[0]))
    assert "a is not under management" in told
    assert not ReplicationJob.objects.exists()


def test_cancelling_asks_first_and_names_what_is_replicated(web, three):
    factories.pending_job(three[0])
    factories.running_job(three[1])
    page = text(post(web, "cancel", *three, next="/virtual-machines/?sort=-name"))
    assert "Cancel 2 replications?" in page
    assert "The source VMs are not changed" in page
    assert "1 selected VM is not being replicated." in page
    assert f'name="vm" value="{three[0].pk}"' in page
    assert f'name="vm" value="{three[2].pk}"' not in page
    assert 'name="next" value="/virtual-machines/?sort=-name"' in page
    assert not ReplicationJob.objects.filter(cancel_requested_at__isnull=False).exists()


def test_cancelling_what_does_not_run_says_so(web, three):
    page = text(post(web, "cancel", *three))
    assert "Nothing to cancel" in page
    assert "Cancel 0" not in page


def test_the_question_leads_back_to_no_other_site(web, three):
    page = text(post(web, "cancel", *three, next="https://example.org/"))
    assert 'href="https://example.org/"' not in page
    assert '<a class="btn" href="/virtual-machines/">Back</a>' in page


def test_confirmed_it_cancels_the_waiting_and_asks_the_running_to_stop(web, three):
    waiting, running = factories.pending_job(three[0]), factories.running_job(three[1])
    (told,) = notices(post(web, "cancel", *three, confirmed="yes"))
    assert told == (
        "2 replications are being cancelled."
        " 1 VM was refused: c is not being replicated, so there is nothing to cancel."
    )
    waiting.refresh_from_db()
    running.refresh_from_db()
    assert waiting.status == JobStatus.CANCELLED
    assert (running.status, running.cancel_requested_by) == (JobStatus.RUNNING, "ops")


@pytest.mark.parametrize("action", ["start", "cancel", "", "delete"])
def test_without_a_vm_nothing_happens_and_the_page_says_so(web, three, action):
    answer = web.post(ADDRESS, {"action": action}, follow=True)
    assert notices(answer) == ["No VM is selected. Tick the VMs in the table."]


def test_another_action_is_refused(web, three):
    factories.pending_job(three[0])
    answer = post(web, "delete", *three, confirmed="yes")
    assert notices(answer) == ["Nothing was done: choose Replicate or Cancel."]
    assert ReplicationJob.objects.filter(status=JobStatus.PENDING).count() == 1


def test_more_than_the_limit_is_refused_as_a_whole(web, three, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 2)
    for action in ("start", "cancel"):
        answer = post(web, action, *three, confirmed="yes")
        assert notices(answer) == ["3 VMs are too many at once: choose 2 at most."]
    assert not ReplicationJob.objects.exists()


def test_with_htmx_the_live_part_comes_back_with_the_notice(web, three):
    data = {"action": "start", "vm": [three[0].pk], "next": "/virtual-machines/"}
    answer = web.post(ADDRESS, data, follow=True, headers=HTMX)
    assert "<html" not in text(answer)
    assert "1 replication was started." in text(answer)


def test_it_takes_only_a_post(web, three):
    assert web.get(ADDRESS).status_code == 405


def test_it_needs_the_csrf_token(user, three):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(ADDRESS, {"action": "start", "vm": [three[0].pk]}).status_code == 403
    assert not ReplicationJob.objects.exists()


def test_the_next_page_is_one_of_ours(web, three):
    data = {"action": "start", "vm": [three[0].pk], "next": "https://example.org/"}
    assert web.post(ADDRESS, data)["Location"] == "/virtual-machines/"


def test_a_failure_of_vmrep_itself_is_not_told_as_a_refusal(web, three, monkeypatch):
    """Only refusals are collected: whatever nobody foresaw must come out."""

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("replication.services.bulk.starting.start", breaks)
    with pytest.raises(RuntimeError):
        post(web, "start", *three)
