"""The tab of jobs: the last ones, each with its steps and its rate over time."""

from __future__ import annotations

from typing import Any

from contexts.models import VMContext
from replication.models import ReplicationJob
from replication.selectors.jobs import job_history
from replication.selectors.telemetry import throughput_of_last_jobs
from vmrep.web.throughput import throughput


def load(context: VMContext, current: ReplicationJob | None) -> dict[str, Any]:
    """`jobs`: pairs of a job and its throughput (None for those that are too old for a picture).
    `current`, the active job as the panel has read it, stands for itself."""
    rates = {job.pk: throughput(job, points) for job, points in throughput_of_last_jobs(context)}
    jobs = [current if current and job.pk == current.pk else job for job in job_history(context)]
    return {"jobs": [(job, rates.get(job.pk)) for job in jobs]}
