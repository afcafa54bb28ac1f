"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class ReplicationsFilter(TypedDict, total=False):
    ended: str | None
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    period: str | None
    search: str | None
    status: Sequence[str] | None
    trigger: Sequence[str] | None
    type: Sequence[str] | None
    vcenter: Sequence[int] | None
    vm: str | None
    warnings: bool | None


class ReplicationsQuery(ReplicationsFilter, Page, total=False):
    pass


class ReplicationLogFilter(TypedDict, total=False):
    attempt: int | None
    fields: Sequence[str] | None
    level: Sequence[str] | None
    ordering: Sequence[str] | None
    search: str | None


class ReplicationLogQuery(ReplicationLogFilter, Page, total=False):
    pass


class ReplicationStepsFilter(TypedDict, total=False):
    attempt: int | None
    fields: Sequence[str] | None
    name: Sequence[str] | None
    ordering: Sequence[str] | None
    status: Sequence[str] | None


class ReplicationStepsQuery(ReplicationStepsFilter, Page, total=False):
    pass


class ReplicationThroughputFilter(TypedDict, total=False):
    attempt: int | None
    fields: Sequence[str] | None
    ordering: Sequence[str] | None


class ReplicationThroughputQuery(ReplicationThroughputFilter, Page, total=False):
    pass


class Replications(Calls):
    def get_replications(self, **query: Unpack[ReplicationsQuery]) -> models.JobPage:
        """Jobs of all VMs, newest first."""
        return self._get("/api/v1/replications/", query=query)

    def all_replications(self, **query: Unpack[ReplicationsFilter]) -> Iterator[models.Job]:
        """All rows of `get_replications`, page by page."""
        return self._rows("/api/v1/replications/", query=query)

    def post_replications(
        self, body: models.StartByIdentity | None = None, *, idempotency_key: str | None = None
    ) -> models.JobDetail:
        """Start one for a VM named by its identity; the VM is taken under management if it is not
        managed yet."""
        return self._once("/api/v1/replications/", body=body, key=idempotency_key)

    def get_replication(self, job_id: str) -> models.JobDetail:
        """A job with its steps and disks."""
        return self._get("/api/v1/replications/{}/", job_id)

    def post_replication_cancel(self, job_id: str) -> models.JobDetail:
        """Cancel a job. A waiting job ends at once (200), a running one soon (202)."""
        return self._send("POST", "/api/v1/replications/{}/cancel/", job_id)

    def post_replication_debug_bundle(self, job_id: str) -> bytes:
        """All that is known about a job, without secrets: a ZIP archive of JSON."""
        return self._send("POST", "/api/v1/replications/{}/debug-bundle/", job_id)

    def get_replication_log(
        self, job_id: str, **query: Unpack[ReplicationLogQuery]
    ) -> models.LogLinePage:
        """The lines of a job's log, oldest first. The log is bounded: the oldest lines of a very
        long log are dropped, and the log says so."""
        return self._get("/api/v1/replications/{}/log/", job_id, query=query)

    def all_replication_log(
        self, job_id: str, **query: Unpack[ReplicationLogFilter]
    ) -> Iterator[models.LogLine]:
        """All rows of `get_replication_log`, page by page."""
        return self._rows("/api/v1/replications/{}/log/", job_id, query=query)

    def post_replication_retry(
        self, job_id: str, *, idempotency_key: str | None = None
    ) -> models.JobDetail:
        """Start a new job that does what this failed or cancelled one did not."""
        return self._once("/api/v1/replications/{}/retry/", job_id, key=idempotency_key)

    def get_replication_steps(
        self, job_id: str, **query: Unpack[ReplicationStepsQuery]
    ) -> models.StepPage:
        """The steps of all of a job's attempts, oldest first."""
        return self._get("/api/v1/replications/{}/steps/", job_id, query=query)

    def all_replication_steps(
        self, job_id: str, **query: Unpack[ReplicationStepsFilter]
    ) -> Iterator[models.Step]:
        """All rows of `get_replication_steps`, page by page."""
        return self._rows("/api/v1/replications/{}/steps/", job_id, query=query)

    def get_replication_throughput(
        self, job_id: str, **query: Unpack[ReplicationThroughputQuery]
    ) -> models.SamplePage:
        """The transfer's rate over time. The number of samples is bounded: the longer a job takes,
        the longer the time that each one covers."""
        return self._get("/api/v1/replications/{}/throughput/", job_id, query=query)

    def all_replication_throughput(
        self, job_id: str, **query: Unpack[ReplicationThroughputFilter]
    ) -> Iterator[models.Sample]:
        """All rows of `get_replication_throughput`, page by page."""
        return self._rows("/api/v1/replications/{}/throughput/", job_id, query=query)
