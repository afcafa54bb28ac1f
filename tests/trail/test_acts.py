"""Whatever the services change is told, by whom and of what, and nothing secret with it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from contexts import trail
from contexts.models import VMContext
from contexts.services import management
from contexts.trail import Kind, Somebody, Verb, Via
from replication.integrity import look
from replication.integrity.findings import Scope
from replication.models import DiskImage
from replication.policies import services as policies
from replication.scheduler import dates
from replication.services import bulk_acts, removal
from replication.states import Trigger
from tests import factories
from tests.labs import lab, lab_cache, lab_control, pinned  # noqa: F401
from tests.trail.acts.every import ACTS, BESIDES, MODULES_OF_ACTS, NO_ACTS, functions
from tests.trail.acts.register import BY
from vmrep.trail.models import Event
from vmrep.trail.verify import verify

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

BY_ITSELF = {
    "scheduler.starting.start_due": ("schedule", "schedule"),
    "retention.steps.finish": ("retention", "system"),
    "old_jobs.delete_old_jobs": ("age", "system"),
    "old_points.forget_old_points": ("age", "system"),
    "mend.mend": ("system", "system"),
}
# They take no actor: it is known of the request.
OF_THE_REQUEST = (
    *("vcenters.add", "vcenters.test_stored", "vcenters.remove", "repositories.add"),
    *("repositories.add_directory", "repositories.change", "notifications.", "saved_views."),
    "users.",
)
SECRETS = ("secret of the vCenter", "whsec_", "only-for-tests")


class World:
    """What some acts need besides rows."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self._request, self.folder = request, folder

    def pinned(self) -> dict[str, Any]:
        return pinned(self._request.getfixturevalue("lab"), transport="datastore")

    def tick_dates(self) -> None:
        dates.tick()

    def merges_are_done(self, wanted: Any) -> None:
        wanted.merges.update(stage="done", child=None)
        gone = DiskImage.objects.filter(recovery_point=wanted.recovery_point)
        DiskImage.objects.filter(parent__in=gone).update(parent=None)

    def expired_point_of_the_schedule(self) -> None:
        vm = factories.context(keep_in=factories.repository(path=self.folder / "kept"))
        factories.complete(factories.pending_job(vm, trigger=Trigger.SCHEDULE))
        removal.delete_replica_data(vm, confirm_vm_name=str(vm.vm_name), actor="ops")
        DiskImage.objects.all().delete()
        vm.refresh_from_db()
        factories.completed_job(vm)

    def no_checks(self) -> None:
        patch = self._request.getfixturevalue("monkeypatch")
        patch.setattr("replication.integrity.look.CHECKS", [])

    def repairable_finding(self) -> Any:
        vm = factories.context()
        factories.failed_job(vm)
        VMContext.objects.filter(pk=vm.pk).update(failed_jobs=0, total_jobs_run=0)
        check = next(one for one in look.CHECKS if one.name == "counters_differ")
        return next(iter(check.find(Scope())))


def by_acting(name: str) -> bool:
    return name.startswith(OF_THE_REQUEST)


@pytest.mark.parametrize("name", sorted(ACTS))
def test_an_act_is_told(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """In the transaction of the act: with the services' own word for who did it."""
    wanted, do = ACTS[name]
    world = World(request, tmp_path)
    who = Somebody(via=Via.PAGE, actor=BY) if by_acting(name) else Somebody()
    with trail.acting(who):
        do(world)
    told = Event.objects.filter(verb=wanted.verb, kind=wanted.kind).first()
    assert told is not None, list(Event.objects.values_list("verb", "kind"))
    actor, via = BY_ITSELF.get(name, (BY, None))
    assert told.actor == actor
    if via:
        assert told.via == via
    assert told.object_name or told.kind == Kind.INSTALLATION
    if wanted.kind in (Kind.VM, Kind.JOB, Kind.POINT):
        vm = VMContext.objects.get(pk=told.vm_context_id)
        assert (told.vcenter_id, told.folder) == (vm.vcenter_id, "/Lab/vm")
    for secret in SECRETS:
        assert secret not in json.dumps(list(Event.objects.values_list("old", "new")))
    assert verify().faults == []


def test_every_public_act_is_in_the_list() -> None:
    """Whoever adds a service that changes something adds a line in `tests/trail/acts`, and with
    it an event. A function with an actor changes something; so does one in a module of acts."""
    known = ACTS.keys() | NO_ACTS.keys() | BESIDES.keys()
    found = dict(functions())
    takes_an_actor = {
        name
        for name, function in found.items()
        if {"actor", "requested_by"} & set(inspect.signature(function).parameters)
    }
    of_acts = {name for name in found if name.rpartition(".")[0] in MODULES_OF_ACTS}
    assert (takes_an_actor | of_acts) - known == set()
    assert known - found.keys() == set(), "gone"


def test_a_value_that_nobody_named_is_told_as_changed() -> None:
    with transaction.atomic(), trail.gathered():
        about = trail.subject(Kind.VCENTER, 1, "x")
        new = {"password": "sesame", "private_key": "sesame", "name": "x" * 9999, "port": 443}
        trail.tell(Verb.CHANGE, about, old={"password": "open"}, new=new)
    event = Event.objects.get()
    assert event.old_values == {"password": "changed"}
    told = event.new_values
    assert (told["password"], told["private_key"], told["port"]) == ("changed", "changed", 443)
    assert len(str(told["name"])) == trail.VALUE_LENGTH


def test_what_is_done_with_many_vms_is_done_by_whoever_asked() -> None:
    vms = [factories.context(name) for name in ("a", "b")]
    policies.set_own(vms[0], {"quiesce": "never"}, actor="somebody else")
    bulk_acts.ask(
        "replicate",
        VMContext.objects.all(),
        bulk_acts.Arguments(),
        trigger=Trigger.API,
        actor="alice",
    )
    VMContext.objects.filter(pk=vms[1].pk).update(repository=None)  # refused, and rolled back
    bulk_acts.run_next()
    (told,) = Event.objects.filter(verb=Verb.REPLICATE)
    assert (told.actor, told.via, told.vm_context_id) == ("alice", "api", vms[0].pk)
    assert told.new_values["bulk_action"] == bulk_acts.BulkAction.objects.get().pk
    assert told.job_id == VMContext.objects.get(pk=vms[0].pk).current_job_id


@pytest.mark.parametrize("around", [trail.gathered, transaction.atomic])
def test_an_act_outside_a_transaction_that_gathers_is_a_mistake(
    transactional_db: None, around: Any
) -> None:
    with pytest.raises(RuntimeError, match="within its transaction"), around():
        trail.tell(Verb.ADD, trail.subject(Kind.GROUP, 1, "x"))
    assert not Event.objects.exists()


def test_an_act_costs_two_statements_and_so_do_many() -> None:
    """The head is locked and read, and the events are written."""

    def statements(vms: list[Any]) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            management.take(vms, repository=kept, actor="ops")
        return [each["sql"] for each in captured if "audit_" in each["sql"]]

    kept, at = factories.repository(), factories.vcenter()
    assert len(statements([factories.discovered_vm(at=at)])) == 2
    assert len(statements(factories.discovered_vms(["a", "b", "c"], at=at))) == 2
    assert Event.objects.filter(verb=Verb.TAKE).count() == 4
