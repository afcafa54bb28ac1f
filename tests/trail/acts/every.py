"""All acts, and all functions of the services. `NO_ACTS` says of every function that takes an actor
and is no act why the trail is silent of it."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import contexts.services
import replication.policies
import replication.retention
import replication.scheduler
import replication.services
from tests.trail.acts import contexts as _contexts
from tests.trail.acts import kept as _kept
from tests.trail.acts import replications as _replications
from tests.trail.acts import shell as _shell
from tests.trail.acts import wishes as _wishes
from tests.trail.acts.register import ACTS

__all__ = ["ACTS", "BESIDES", "MODULES_OF_ACTS", "NO_ACTS", "functions"]
FILLED_BY = (_contexts, _replications, _wishes, _kept, _shell)

FOR_OTHERS = "a part of an act that is told by its caller"
BY_A_JOB = "a step of a job, which its VM's events and its log tell of"
READS = "changes nothing"
LEARNS = "writes down what vmrep has seen"

NO_ACTS = {
    "replacement.record": FOR_OTHERS,
    "statuses.job_started": FOR_OTHERS,
    "statuses.job_completed": BY_A_JOB,
    "statuses.job_failed": BY_A_JOB,
    "statuses.job_cancelled": BY_A_JOB,
    "statuses.replica_deleted": FOR_OTHERS,
    "statuses.settle": FOR_OTHERS,
    "statuses.record_event": FOR_OTHERS,
    "finish.failed": BY_A_JOB,
    "finish.cancelled": BY_A_JOB,
    "settle.settle": "makes effective what a change of a policy told",
    "retention.steps.tell": FOR_OTHERS,
}

MODULES_OF_ACTS = {name.rpartition(".")[0] for name in ACTS}
PACKAGES = (
    contexts.services,
    replication.services,
    replication.policies,
    replication.retention,
    replication.scheduler,
)
SINGLE_MODULES = (
    *("replication.integrity.runs", "replication.integrity.mend"),
    *("vmrep.notifications.services", "vmrep.web.saved_views", "vmrep.accounts.users"),
    "vmrep.bundle",
)
# In a module of acts, every public function is one, unless it is here.
BESIDES = {
    **dict.fromkeys(
        (
            *("vcenters.endpoint", "vcenters.presented_certificate", "vcenters.look_at"),
            *("vcenters.silence", "vcenters.session", "vcenters.test_connection"),
            *("vcenters.read_address", "management.safe_name", "management.new_context_id"),
            *("identity.require_unchanged", "identity.require_confirmed", "identity.require_new"),
            *("identity.require_present", "start.new_job_id", "bulk.few", "bulk_acts.chosen"),
            *("group_runs.waiting_runs", "removal.confirmation_text", "repositories.default"),
            *("repositories.require_free_name", "repositories.require_apart"),
            "policies.services.wanted_of",
            *("policies.services.own_values", "policies.services.target"),
            *("policies.services.possible_place", "retention.services.preview"),
            *("retention.steps.about", "retention.steps.named"),
            *("notifications.services.habits_of", "notifications.services.config_of"),
            *("saved_views.kept", "saved_views.menu", "saved_views.beginning"),
            "old_jobs.kept_by_points_alone",
            *("users.in_list", "users.role_of"),
        ),
        READS,
    ),
    **dict.fromkeys(
        (
            *("discovery.run", "discovery.pick_up_forgotten", "discovery.store"),
            *("identity.seen", "identity.unreadable", "identity.not_found"),
            *("runs.run_requested", "runs.pick_up_forgotten", "runs.end_silent_runs"),
        ),
        LEARNS,
    ),
    **dict.fromkeys(
        (
            *("group_runs.claim_next", "group_runs.let_go", "group_runs.gathered"),
            *("group_runs.settle", "retention.steps.begin", "retention.steps.take_back"),
            *("retention.steps.merging", "retention.steps.writing", "retention.steps.progress"),
            *("retention.steps.merged", "retention.steps.may_take_name"),
            *("retention.steps.switched", "retention.steps.failed", "retention.steps.waits"),
            *("retention.steps.others_wait", "retention.steps.touch"),
        ),
        BY_A_JOB,
    ),
    **dict.fromkeys(("old_jobs.delete", "old_jobs.tell"), FOR_OTHERS),
    "bulk_acts.pick_up_forgotten": "wakes workers",
    "policies.services.default_policy": "made by the installation itself",
    "scheduler.starting.give_up": "cancels by the service `cancel`",
}


def functions() -> Iterator[tuple[str, Callable[..., object]]]:
    """Every public function of the services, by its name here."""
    for module in _modules():
        short = _short(module.__name__)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if not name.startswith("_") and function.__module__ == module.__name__:
                yield f"{short}.{name}", function


def _modules() -> Iterator[Any]:
    for package in PACKAGES:
        for found in pkgutil.iter_modules(package.__path__):
            yield import_module(f"{package.__name__}.{found.name}")
    for name in SINGLE_MODULES:
        yield import_module(name)


def _short(module: str) -> str:
    """The last part of a module's name, with its package where several have such a module."""
    package, _, name = module.rpartition(".")
    with_package = f"{package.rpartition('.')[2]}.{name}"
    is_ambiguous = package.endswith("scheduler") or with_package in MODULES_OF_ACTS
    return with_package if is_ambiguous else name
