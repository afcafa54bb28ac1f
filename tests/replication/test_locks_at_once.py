"""Whatever happens to the same VMs in the same moment, no two transactions wait for each other."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from contexts import messages
from contexts.errors import ContextBusy, ContextError
from contexts.models import DiscoveredVM, VMContext
from contexts.services import discovery, identity, management, records, statuses
from contexts.vsphere.inventory import InventoryPage
from contexts.vsphere.lineage import Lineage
from replication import messages as replication_messages
from replication.errors import JobCancelled, LeaseLost, TryAgain
from replication.models import ReplicationJob, VMSnapshot
from replication.policies import services as policies
from replication.policies.services import Where
from replication.scheduler.tick import tick
from replication.services import cancel, finish, leases, old_jobs, queue, removal, start
from replication.services.results import SealedDisk
from replication.states import LeaseHolder, SnapshotState
from replication.sync import cleanup
from tests import factories
from tests.at_once import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time"
    ),
]

VMS, ROUNDS = 4, 25


def deadlocks() -> int:
    """How many this database has broken up since it was made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


class Crowd:
    """What users, workers and the tick do to a few VMs, each as often as it can."""

    def __init__(self, folder: Path) -> None:
        repository = factories.repository(path=folder)
        self.vcenter = factories.vcenter()
        self.ids = [
            factories.context(f"vm{number}", at=self.vcenter, keep_in=repository).pk
            for number in range(VMS)
        ]
        self.problems: list[str] = []

    def _one(self) -> VMContext:
        return VMContext.objects.get(pk=random.choice(self.ids))

    def start(self) -> None:
        start.start(self._one(), trigger="manual", requested_by="ops")

    def cancel(self) -> None:
        if (job := ReplicationJob.objects.filter(vm_context=self._one()).first()) is not None:
            cancel.cancel(job, actor="ops")

    def delete(self) -> None:
        context = self._one()
        removal.delete_replica_data(context, confirm_vm_name=str(context.vm_name), actor="ops")

    def remove_and_take(self) -> None:
        """All of them in one transaction, in any order."""
        context = self._one()
        removal.remove_from_management(context, actor="ops")
        vms = list(DiscoveredVM.objects.all())
        random.shuffle(vms)
        management.take(vms, repository=context.repository, actor="ops")

    def set_target(self) -> None:
        seconds = random.choice([None, random.randrange(60, 6000)])
        policies.set_own(self._one(), policies.target(seconds), actor="ops")

    def change_policies(self) -> None:
        """Of all VMs, of those of a name, and of one."""
        default = policies.default_policy()
        policies.change(default, policies.target(random.randrange(60, 6000)), actor="ops")
        policies.give(self._one(), random.choice([None, default]), actor="ops")
        place = Where("name", pattern=random.choice(["vm*", "*1"]))
        scope, _ = policies.assign(default, place, actor="ops")
        policies.unassign(scope, actor="ops")

    def clean_up(self) -> None:
        cleanup.clean_context(random.choice(self.ids))

    def tick(self) -> None:
        tick()

    def discover(self) -> None:
        """A page of all VMs, in which each has changed."""
        found = [records.from_discovered(vm) for vm in DiscoveredVM.objects.order_by("?")]
        for record in found:
            record.specs["cpu_count"] = random.randrange(1, 64)
        list(discovery.store(self.vcenter, [InventoryPage(tuple(found), len(found))]))

    def delete_old_jobs(self) -> None:
        old_jobs.delete_old_jobs(timedelta(0))

    def work(self) -> None:
        """A worker's transactions, without bytes; now and then its lease runs out meanwhile."""
        if (claimed := queue.claim_next()) is None:
            return
        job, lease = claimed
        if random.random() < 0.2:
            leases.ContextLease.objects.filter(token=lease.token).update(
                expires_at=Now() - timedelta(seconds=1)
            )
        with transaction.atomic():
            leases.require(lease)
            snapshot = factories.snapshot_of(job, timezone.now())
        with transaction.atomic():
            leases.require(lease)
            made = factories.images_of(job, snapshot, 1 << 20)
        ending = random.choice([finish.failed, finish.try_again, None])
        if ending is not None:
            ending(job.pk, "The vCenter did not answer.", lease=lease)
        else:
            sealed = [SealedDisk(image.pk, 1 << 20, "0f" * 16) for image in made]
            try:
                finish.completed(job.pk, lease, snapshot, Lineage("vm-1"), sealed)
            except JobCancelled:
                finish.cancelled(job.pk, actor="ops", lease=lease)
        VMSnapshot.objects.filter(job=job).update(
            state=SnapshotState.REMOVED, removed_at=Now(), problem=""
        )
        leases.release(lease)

    def at_once(self) -> None:
        acts = [self.start, self.cancel, self.delete, self.remove_and_take, self.set_target]
        acts += [self.clean_up, self.tick, self.discover, self.delete_old_jobs, self.work]
        acts += [self.delete, self.clean_up, self.work, self.start]
        acts += [self.change_policies, self.change_policies]
        go = threading.Barrier(len(acts))

        def repeat(act: Callable[[], None]) -> None:
            go.wait(10)
            for _ in range(ROUNDS):
                try:
                    act()
                except (ContextError, LeaseLost, TryAgain):
                    pass  # refused, or another one was faster
                except Exception as problem:  # noqa: BLE001  the test tells of all of them
                    self.problems.append(f"{act.__name__}: {problem!r}")
            connection.close()

        with ThreadPoolExecutor(len(acts)) as pool:
            list(pool.map(repeat, acts))


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    """Hints are told to nobody: the crowd looks by itself."""
    for module in (messages, replication_messages):
        monkeypatch.setattr(module, "send", lambda *message: None)


def test_a_crowd_of_users_workers_and_ticks_never_deadlocks(tmp_path):
    crowd = Crowd(tmp_path)
    before = deadlocks()
    crowd.at_once()
    assert not crowd.problems, "\n".join(crowd.problems)
    assert deadlocks() == before


def test_a_clean_up_that_takes_its_lease_and_a_deletion_do_not_block_each_other(tmp_path):
    context = factories.context("vm", keep_in=factories.repository(path=tmp_path))
    before = deadlocks()

    def delete() -> object:
        statuses.lock(context.pk)
        time.sleep(0.1)  # the clean-up has come as far as it can
        try:
            return removal.delete_replica_data(context, confirm_vm_name="vm", actor="ops")
        except ContextBusy as busy:
            return busy

    at_once(delete, lambda: leases.acquire(context.pk, LeaseHolder.CLEAN_UP))
    assert deadlocks() == before


def test_a_snapshot_that_is_noted_and_a_job_that_ends_do_not_block_each_other(tmp_path):
    """Both name the context and the job; who notes a snapshot learns of them at its commit only."""
    context = factories.context("vm", keep_in=factories.repository(path=tmp_path))
    factories.pending_job(context)
    job, lease = queue.claim_next()
    before = deadlocks()

    def note() -> None:
        leases.require(lease)
        factories.snapshot_of(job, timezone.now())

    at_once(note, lambda: finish.failed(job.pk, "The vCenter did not answer.", lease=lease))
    assert deadlocks() == before


def test_a_confirmed_identity_and_a_discovery_do_not_block_each_other():
    """Both are at the context and at the VM that was seen."""
    context = factories.context("vm")
    old = DiscoveredVM.objects.get()
    looks = {name: getattr(old, name) for name in ("moref", "bios_uuid", "vmx_path")}
    DiscoveredVM.objects.filter(pk=old.pk).update(gone_at=Now())
    other = factories.discovered_vm("vm", at=context.vcenter, **looks)
    before = deadlocks()

    def confirm() -> None:
        statuses.lock(context.pk)
        time.sleep(0.1)  # the discovery has come as far as it can
        with contextlib.suppress(ContextError):  # the old one may be back
            identity.confirm(other, context, actor="ops")

    def discover() -> None:
        found = (
            factories.vm_record("vm", instance_uuid=other.vmware_vm_id, cpu_count=32, **looks),
            factories.vm_record("vm", instance_uuid=context.vmware_vm_id),
        )
        list(discovery.store(context.vcenter, [InventoryPage(found, 2)]))

    at_once(confirm, discover)
    assert deadlocks() == before


def test_vms_that_are_taken_again_and_old_jobs_do_not_block_each_other():
    """Those are locked by the contexts' order, whichever the order of the VMs."""
    at = factories.vcenter()
    contexts = [factories.context(name, at=at) for name in ("z", "a")]
    for context in contexts:
        factories.failed_job(context)
        management.release(context, actor="ops")
    vms = list(DiscoveredVM.objects.order_by("pk"))
    before = deadlocks()
    first_is_taken = threading.Event()

    def take() -> None:
        def slowly(execute: Any, sql: str, *rest: Any) -> Any:
            result = execute(sql, *rest)
            if sql.startswith('UPDATE "vm_replication_contexts"'):
                first_is_taken.set()
                time.sleep(0.1)
            return result

        with connection.execute_wrapper(slowly):
            management.take(vms, repository=None, actor="ops")

    def delete_old() -> None:
        first_is_taken.wait(5)
        old_jobs.delete_old_jobs(timedelta(0))

    at_once(take, delete_old)
    assert deadlocks() == before
