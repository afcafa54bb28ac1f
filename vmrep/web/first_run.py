"""The first run: the steps from an empty installation to a recovery point, and which are done."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, Model

from contexts.models import DiscoveredVM, VCenter, VMContext
from replication.models import Repository
from replication.selectors.home import HomeNumbers
from vmrep import access
from vmrep.access import Verb

STEPS = ("vcenter", "discover", "take", "replicate", "see")


@dataclass(frozen=True)
class FirstRun:
    """`done` is how many of STEPS are done; the one after them is next. `vm` is the VM they use."""

    done: int
    has_repository: bool = True
    vm: VMContext | None = None

    @property
    def next(self) -> str:
        return STEPS[self.done]

    @property
    def template(self) -> str:
        return f"virtual_machines/first_steps.html#{self.next}"


def next_steps(user: access.User, counts: dict[str, int], numbers: HomeNumbers) -> FirstRun | None:
    """None once it is over, which is when a second replication has completed, and for users who may
    see none of the VMs."""
    if not counts["total"]:
        return FirstRun(_done_without_a_vm(user), _sees_any(user, Repository))
    if numbers.worst is None:
        vm = _vm_to_replicate(user)
        return FirstRun(3, vm=vm) if vm is not None else None
    return FirstRun(4, vm=numbers.worst) if numbers.successful_jobs <= 1 else None


def _vm_to_replicate(user: access.User) -> VMContext | None:
    """A VM that is being replicated, or else the one that was tried last."""
    order = (F("current_job").asc(nulls_last=True), F("last_job_at").desc(nulls_last=True))
    seen = access.rows(user, Verb.VIEW, VMContext.objects.filter(unmanaged_at__isnull=True))
    return seen.select_related("current_job").order_by(*order, "vm_name").first()


def _done_without_a_vm(user: access.User) -> int:
    if not _sees_any(user, VCenter):
        return 0
    return 2 if _sees_any(user, DiscoveredVM) else 1


def _sees_any(user: access.User, kind: type[Model]) -> bool:
    return access.rows(user, Verb.VIEW, kind._default_manager.all()).exists()
