"""Replicate now and Cancel: the services of the pages and the API, their refusals shown."""

from __future__ import annotations

from contexts.models import VMContext
from contexts.services import management
from replication.models import ReplicationJob
from tests import factories
from tests.admin.estate import address
from tests.factories import HOSTILE_NAME


def run(admin, model, action, *rows):
    body = {"action": action, "_selected_action": [row.pk for row in rows]}
    answer = admin.post(address(model, "changelist"), body)
    assert answer.status_code == 302, answer
    return answer


def test_replicate_now_starts_a_job_of_each(admin, said):
    contexts = [factories.context("a"), factories.context("b")]
    answer = run(admin, VMContext, "replicate_now", *contexts)
    jobs = ReplicationJob.objects.all()
    assert {job.vm_context_id for job in jobs} == {context.pk for context in contexts}
    assert {(job.trigger, job.requested_by) for job in jobs} == {("manual", "chief")}
    assert said(answer) == ["success: Replications started: 2."]


def test_what_is_refused_is_said_and_the_others_are_started(admin, said):
    busy, free = factories.context("busy"), factories.context("free")
    running = factories.running_job(busy)
    answer = run(admin, VMContext, "replicate_now", busy, free)
    refused, started = said(answer)
    assert refused.startswith("error: busy: ")
    assert running.pk in refused
    assert started == "success: Replications started: 1."


def test_no_refusal_is_an_error_of_the_server(admin, said):
    released = management.release(factories.context("released"), actor="ops")
    homeless = factories.context("homeless")
    VMContext.objects.filter(pk=homeless.pk).update(repository=None)
    answer = run(admin, VMContext, "replicate_now", released, homeless)
    assert len(said(answer)) == 2
    assert all(text.startswith("error: ") for text in said(answer))
    assert not ReplicationJob.objects.exists()


def test_a_hostile_name_in_a_refusal_is_harmless(admin):
    context = factories.context(HOSTILE_NAME)
    factories.running_job(context)
    run(admin, VMContext, "replicate_now", context)
    html = admin.get(address(VMContext, "changelist")).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert HOSTILE_NAME not in html


def test_cancel_ends_a_job_that_waits(admin, said):
    context = factories.context()
    job = factories.pending_job(context)
    answer = run(admin, ReplicationJob, "cancel_job", job)
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert said(answer) == ["success: Replications cancelled, or asked to stop: 1."]


def test_cancel_asks_a_running_job_to_stop(admin):
    job = factories.running_job(factories.context())
    run(admin, ReplicationJob, "cancel_job", job)
    job.refresh_from_db()
    assert job.cancel_requested_by == "chief"


def test_cancelling_what_has_ended_says_so(admin, said):
    job = factories.completed_job(factories.context())
    (text,) = said(run(admin, ReplicationJob, "cancel_job", job))
    assert text.startswith(f"error: {job.pk}: ")


def test_a_vms_replication_is_cancelled_from_the_vm(admin, said):
    idle, busy = factories.context("idle"), factories.context("busy")
    job = factories.pending_job(busy)
    answer = run(admin, VMContext, "cancel_replication", idle, busy)
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert said(answer) == [
        "error: idle: No replication of this VM is active: there is nothing to cancel.",
        "success: Replications cancelled, or asked to stop: 1.",
    ]


def test_who_is_no_admin_does_nothing_here_though_django_calls_the_user_staff(client, db):
    client.force_login(factories.user("looker", role="operator", is_staff=True))
    context = factories.context()
    job = factories.running_job(context)
    for model, action, row in (
        (VMContext, "replicate_now", context),
        (VMContext, "cancel_replication", context),
        (ReplicationJob, "cancel_job", job),
    ):
        assert client.get(address(model, "changelist")).status_code == 403
        client.post(address(model, "changelist"), {"action": action, "_selected_action": [row.pk]})
    job.refresh_from_db()
    assert job.cancel_requested_at is None
    assert ReplicationJob.objects.count() == 1
