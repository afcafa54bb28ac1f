"""All jobs across VMs, one job, and cancelling it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from contexts.errors import ContextError
from replication.filters import JobFilter
from replication.selectors.health import COPIES
from replication.selectors.jobs import jobs_for_list, jobs_in_detail
from replication.services import cancel as cancelling
from replication.services import start
from replication.states import Trigger
from vmrep import access, bundle
from vmrep.access import Verb
from vmrep.web import csv_files, job_page, live, outcome, saved_views, versions
from vmrep.web.models import ViewPage
from vmrep.web.tables import JobTable


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    if begins := saved_views.beginning(request, ViewPage.JOBS):
        return begins
    version = versions.of_replication()
    if live.is_current(request, version):
        return live.nothing_new()
    rows = access.rows(request.user, Verb.VIEW, jobs_for_list())
    filters = JobFilter(request.GET, queryset=rows, vcenters=access.vcenters(request.user))
    if csv_files.is_wanted(request):
        return csv_files.of_table("jobs", JobTable, filters.qs, request)
    content = {"filters": filters, "table": JobTable.for_request(filters.qs, request)}
    return live.respond(request, "jobs/index.html", version, content)


@require_safe
def detail(request: HttpRequest, job_id: str) -> HttpResponse:
    version = versions.of_replication()
    if live.is_current(request, version):
        return live.nothing_new()
    job = access.job(request.user, job_id, Verb.VIEW, among=jobs_in_detail())
    content = job_page.describe(job, request.GET.get("log"))
    return live.respond(request, "jobs/detail.html", version, content)


@require_safe
def confirm_cancel(request: HttpRequest, job_id: str) -> HttpResponse:
    """The dialog's question as a separate page, for browsers without scripts."""
    job = access.job(request.user, job_id, Verb.CANCEL, among=jobs_in_detail())
    if not job.is_active:
        return redirect("job", job_id)
    return render(request, "jobs/cancel.html", {"job": job})


@require_POST
def debug_bundle(request: HttpRequest, job_id: str) -> HttpResponse:
    """The file itself. A POST: it is told in the audit trail."""
    job = access.job(request.user, job_id, Verb.DIAGNOSE, among=jobs_for_list())
    made = bundle.make(job, access.parts(request.user), actor=request.user.get_username())
    answer = HttpResponse(made.content, content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{made.name}"'
    return answer


@require_POST
def cancel(request: HttpRequest, job_id: str) -> HttpResponse:
    job = access.job(request.user, job_id, Verb.CANCEL)
    try:
        job = cancelling.cancel(job, actor=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        subject = f"The replication of {job.source_vm_name}"
        if job.is_active:
            outcome.requested(
                request,
                f"{subject} will be cancelled in a moment.",
                waiting=f"{subject} will be cancelled as soon as its worker can",
                queue=COPIES,
            )
        else:
            messages.success(request, f"{subject} was cancelled.")
    return live.back(request, reverse("job", args=[job_id]))


@require_POST
def retry(request: HttpRequest, job_id: str) -> HttpResponse:
    """The new job's page; the old one's if it cannot be."""
    job = access.job(request.user, job_id, Verb.REPLICATE)
    try:
        job = start.retry(job, trigger=Trigger.MANUAL, requested_by=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        subject = f"Replication of {job.source_vm_name}"
        outcome.requested(
            request, f"{subject} was started again.", waiting=f"{subject} is waiting", queue=COPIES
        )
    return redirect("job", job.pk)
