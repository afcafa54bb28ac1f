"""Replication jobs: the list, one with its steps and disks, starting, cancelling."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from replication.filters import JobFilter, LogLineFilter, SampleFilter, StepFilter
from replication.models import ReplicationJob
from replication.selectors import telemetry
from replication.selectors.jobs import jobs_for_list, jobs_in_detail, steps_of
from replication.services import cancel, start
from replication.states import Trigger
from vmrep import access, bundle
from vmrep.access import Verb
from vmrep.api.bodies import Nothing, StartByIdentity, read
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.once import idempotent
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.jobs import (
    JobDetailSerializer,
    JobSerializer,
    LogLineSerializer,
    SampleSerializer,
    StepSerializer,
    ThroughputOfSerializer,
)
from vmrep.api.views.base import View, see, username

ORDER_BY = by_name(
    *("created_at", "started_at", "completed_at", "status", "source_vm_name"),
    *("bytes_transferred", "total_bytes"),
)
JOBS = Listing(JobSerializer, JobFilter, ORDER_BY)
LOG = Listing(LogLineSerializer, LogLineFilter, by_name("id", "at", "level", "attempt"))
STEPS = Listing(
    StepSerializer, StepFilter, by_name("id", "attempt", "name", "status", "started_at")
)
SAMPLES = Listing(
    SampleSerializer, SampleFilter, by_name("id", "at", "attempt"), more=ThroughputOfSerializer
)


class JobList(View):
    """GET: jobs of all VMs, newest first. POST: start one for a VM named by its identity; the VM is
    taken under management if it is not managed yet."""

    @described_list(JOBS)
    def get(self, request: Request) -> Response:
        return JOBS.answer(
            request,
            access.rows(request.user, Verb.VIEW, jobs_for_list()),
            filter_choices={"vcenters": access.vcenters(request.user)},
        )

    @described(JobDetailSerializer, status=202, body=StartByIdentity)
    @idempotent
    def post(self, request: Request) -> Response:
        among = access.findable(request.user, Verb.REPLICATE, Verb.TAKE)
        keep_in = access.repositories(request.user)
        wanted = read(StartByIdentity, request.data)
        job = start.start_for_vm(
            among,
            keep_in=keep_in,
            **wanted,
            trigger=Trigger.API,
            requested_by=username(request),
        )
        return started(request, job)


class JobDetail(View):
    """GET: a job with its steps and disks."""

    @described(JobDetailSerializer)
    def get(self, request: Request, job_id: str) -> Response:
        require_known(request, set())
        return Response(_body(request, job_id))


class JobLog(View):
    """GET: the lines of a job's log, oldest first. The log is bounded: the oldest lines of a very
    long log are dropped, and the log says so."""

    @described_list(LOG)
    def get(self, request: Request, job_id: str) -> Response:
        job = access.job(request.user, job_id, Verb.VIEW)
        return LOG.answer(request, telemetry.log_lines_of(job))


class JobSteps(View):
    """GET: the steps of all of a job's attempts, oldest first."""

    @described_list(STEPS)
    def get(self, request: Request, job_id: str) -> Response:
        job = access.job(request.user, job_id, Verb.VIEW)
        return STEPS.answer(request, steps_of(job))


class JobThroughput(View):
    """GET: the transfer's rate over time. The number of samples is bounded: the longer a job takes,
    the longer the time that each one covers."""

    @described_list(SAMPLES)
    def get(self, request: Request, job_id: str) -> Response:
        job = access.job(request.user, job_id, Verb.VIEW)
        return SAMPLES.answer(
            request,
            telemetry.samples_of(job),
            more={"job_id": job.pk, "started_at": job.started_at},
            context={"started_at": job.started_at},
        )


class JobCancel(View):
    """POST: cancel a job. A waiting job ends at once (200), a running one soon (202)."""

    @described(JobDetailSerializer, status=(200, 202), body=Nothing)
    def post(self, request: Request, job_id: str) -> Response:
        read(Nothing, request.data)
        job = cancel.cancel(access.job(request.user, job_id, Verb.CANCEL), actor=username(request))
        answer = status.HTTP_202_ACCEPTED if job.is_active else status.HTTP_200_OK
        return see(request, _body(request, job.pk), answer, "replication", job.pk)


class JobRetry(View):
    """POST: start a new job that does what this failed or cancelled one did not."""

    @described(JobDetailSerializer, status=202, body=Nothing)
    @idempotent
    def post(self, request: Request, job_id: str) -> Response:
        job = access.job(request.user, job_id, Verb.REPLICATE)
        read(Nothing, request.data)
        again = start.retry(job, trigger=Trigger.API, requested_by=username(request))
        return started(request, again)


class JobDebugBundle(View):
    """POST: all that is known about a job, without secrets: a ZIP archive of JSON."""

    @extend_schema(request=Nothing, responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def post(self, request: Request, job_id: str) -> HttpResponse:
        read(Nothing, request.data)
        job = access.job(request.user, job_id, Verb.DIAGNOSE, among=jobs_for_list())
        made = bundle.make(job, access.parts(request.user), actor=username(request))
        answer = HttpResponse(made.content, content_type="application/zip")
        answer["Content-Disposition"] = f'attachment; filename="{made.name}"'
        return answer


def started(request: Request, job: ReplicationJob) -> Response:
    """202: the job waits for a worker; Location is the job's address."""
    return see(request, _body(request, job.pk), status.HTTP_202_ACCEPTED, "replication", job.pk)


def _body(request: Request, job_id: str) -> Any:
    job = access.job(request.user, job_id, Verb.VIEW, among=jobs_in_detail())
    return JobDetailSerializer(job).data
