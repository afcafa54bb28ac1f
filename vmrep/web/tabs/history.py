"""The tab of jobs: the last ones, each with its steps and its rate over time."""

from __future__ import annotations

from typing import Any

from contexts.models import VMContext
from replication.selectors.jobs import job_history
from replication.selectors.telemetry import throughput_of_last_jobs
from vmrep.web.throughput import throughput


def load(context: VMContext) -> dict[str, Any]:
    """`jobs`: pairs of a job and its throughput (None for those that are too old for a picture)."""
    rates = {job.pk: throughput(job, points) for job, points in throughput_of_last_jobs(context)}
    return {"jobs": [(job, rates.get(job.pk)) for job in job_history(context)]}
