"""The first run: which of the steps from an empty installation to a recovery point are done."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F

from contexts.models import DiscoveredVM, VCenter, VMContext
from replication.models import Repository
from replication.selectors.home import HomeNumbers

STEPS = ("vcenter", "discover", "take", "replicate", "see")


@dataclass(frozen=True)
class FirstRun:
    """`done` is how many of STEPS are; the one after them is next. `vm` is whom it is about."""

    done: int
    has_repository: bool = True
    vm: VMContext | None = None

    @property
    def next(self) -> str:
        return STEPS[self.done]

    @property
    def template(self) -> str:
        return f"virtual_machines/first_steps.html#{self.next}"


def next_steps(counts: dict[str, int], numbers: HomeNumbers) -> FirstRun | None:
    """None once it is over: as soon as a second replication has completed."""
    if not counts["total"]:
        return FirstRun(_done_without_a_vm(), Repository.objects.exists())
    if numbers.worst is None:
        return FirstRun(3, vm=_vm_to_replicate())
    return FirstRun(4, vm=numbers.worst) if numbers.successful_jobs <= 1 else None


def _vm_to_replicate() -> VMContext | None:
    """One that is being replicated, or else the one that was tried last."""
    order = (F("current_job").asc(nulls_last=True), F("last_job_at").desc(nulls_last=True))
    managed = VMContext.objects.filter(unmanaged_at__isnull=True).select_related("current_job")
    return managed.order_by(*order, "vm_name").first()


def _done_without_a_vm() -> int:
    if not VCenter.objects.exists():
        return 0
    return 2 if DiscoveredVM.objects.exists() else 1
