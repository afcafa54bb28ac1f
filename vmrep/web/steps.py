"""A job's steps as the strip shows them: all eight, in order, whatever has happened so far."""

from __future__ import annotations

from typing import NamedTuple

from replication.models import JobStep, ReplicationJob
from replication.states import StepName, StepStatus

SHOWN_WARNINGS = 20


def warnings(job: ReplicationJob) -> list[JobStep]:
    """The job's last distinct warnings: an attempt may repeat those of earlier ones.

    Reads the prefetched steps."""
    warned = [step for step in job.steps.all() if step.status == StepStatus.WARNING]
    return list({(step.name, step.message): step for step in warned}.values())[-SHOWN_WARNINGS:]


class Mark(NamedTuple):
    """`status` is a StepStatus, or empty for a step that has not begun."""

    number: int
    label: str
    status: str
    step: JobStep | None

    @property
    def outcome(self) -> str:
        return self.step.get_status_display().lower() if self.step else "to come"


def strip(job: ReplicationJob) -> list[Mark]:
    """The marks of the job's present attempt; reads the prefetched steps."""
    done = {step.name: step for step in job.steps.all() if step.attempt == job.attempt}
    marks = []
    for number, name in enumerate(StepName.values, start=1):
        step = done.get(name)
        marks.append(Mark(number, StepName(name).label, step.status if step else "", step))
    return marks
