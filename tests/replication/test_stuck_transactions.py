"""A transaction that is stuck holds its own rows, and nothing else of vmrep."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models.functions import Now

from contexts.database_errors import lock_timed_out
from contexts.models import DiscoveredVM, Discovery, VMContext
from contexts.services import discovery, management
from contexts.vsphere.records import InventoryPage
from replication.models import ContextLease, DiskImage, IntegrityRun, ReplicationJob
from replication.scheduler.tick import tick
from replication.services import queue
from replication.states import JobStatus
from tests import factories
from tests.at_once import locking, on_its_own, on_postgresql, stuck
from vmrep.api.errors import exception_handler

pytestmark = pytest.mark.django_db(transaction=True)


def left_by_a_dead_worker(vm_name: str, **where: Any) -> ReplicationJob:
    job = factories.running_job(factories.context(vm_name, **where))
    ContextLease.objects.update(expires_at=Now() - timedelta(seconds=1))
    return job


@on_postgresql
@pytest.mark.parametrize("row", ["context", "job", "lease", "image"])
def test_the_tick_continues_without_the_context_that_is_held(row, hints, caplog):
    held, free = left_by_a_dead_worker("held"), left_by_a_dead_worker("free")
    rows = {
        "context": (VMContext, held.vm_context_id),
        "job": (ReplicationJob, held.pk),
        "lease": (ContextLease, held.vm_context_id),
        "image": (DiskImage, held.vm_context.disks.get().images.get().pk),
    }
    with stuck(locking(*rows[row])):
        on_its_own(tick)
        free.refresh_from_db()
        held.refresh_from_db()
        assert free.status == JobStatus.PENDING
        if row != "image":  # of which nothing has to be written
            assert held.status == JobStatus.RUNNING
            assert held.pk in caplog.text or held.vm_context_id in caplog.text
    on_its_own(tick)
    held.refresh_from_db()
    assert held.status == JobStatus.PENDING


@on_postgresql
def test_a_discovery_that_is_held_does_not_stop_the_tick(hints, caplog):
    silent = factories.discovery(factories.vcenter(), "running")
    other = factories.discovery(factories.vcenter(), "running")
    Discovery.objects.update(updated_at=Now() - timedelta(hours=1))
    waiting = factories.discovery(factories.vcenter(), "pending", started_at=None)
    with stuck(locking(Discovery, silent.pk)):
        on_its_own(tick)
    assert f"skipping Discovery {silent.pk}" in caplog.text
    other.refresh_from_db()
    assert other.status == "failed"
    assert ("contexts.tasks.discover", waiting.pk) in hints


@on_postgresql
@pytest.mark.parametrize("model", [Discovery, IntegrityRun])
def test_rows_that_cannot_be_ended_keep_no_hint_from_being_sent(model, hints):
    """A lock on the whole table, as of a program that changes it: whoever writes a row waits."""
    factories.discovery(factories.vcenter(), "running")
    IntegrityRun.objects.create(outcome="running")
    for each in (Discovery, IntegrityRun):
        each.objects.update(updated_at=Now() - timedelta(hours=1))
    waiting = factories.discovery(factories.vcenter(), "pending", started_at=None)
    IntegrityRun.objects.create()

    def lock_table() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {model._meta.db_table} IN SHARE MODE")

    def impatient_tick() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        tick()

    with stuck(lock_table):
        on_its_own(impatient_tick)
    assert ("contexts.tasks.discover", waiting.pk) in hints
    assert ("replication.tasks.check_integrity",) in hints
    other = IntegrityRun if model is Discovery else Discovery
    ended = {"broken_off", "failed"}
    column = "outcome" if other is IntegrityRun else "status"
    assert ended & set(other.objects.values_list(column, flat=True))


@on_postgresql
def test_a_discovery_stores_all_but_the_context_that_is_held(caplog):
    at = factories.vcenter()
    records = [factories.vm_record(name) for name in ("held", "same-page", "later-page")]
    list(discovery.store(at, [InventoryPage(tuple(records), 3)]))
    management.take(list(DiscoveredVM.objects.all()), repository=None, actor="ops")
    faster = [replace(one, specs={**one.specs, "cpu_count": 32}) for one in records]
    pages = [InventoryPage(tuple(faster[:2]), 3), InventoryPage(tuple(faster[2:]), 3)]
    held = VMContext.objects.get(vm_name="held")
    with stuck(locking(VMContext, held.pk)):
        on_its_own(lambda: list(discovery.store(at, pages)))
    assert f"skipping VMContext {held.pk}" in caplog.text
    cpus = dict(VMContext.objects.values_list("vm_name", "cpu_count"))
    assert cpus == {"held": records[0].specs["cpu_count"], "same-page": 32, "later-page": 32}
    assert set(DiscoveredVM.objects.values_list("cpu_count", "gone_at")) == {(32, None)}
    list(discovery.store(at, pages))
    assert set(VMContext.objects.values_list("cpu_count", flat=True)) == {32}


@on_postgresql
def test_a_worker_takes_another_job_than_the_one_whose_context_is_held(hints, tmp_path):
    repository = factories.repository(path=tmp_path)
    contexts = [factories.context(name, keep_in=repository) for name in ("first", "second")]
    first, second = (factories.pending_job(context) for context in contexts)
    with stuck(locking(VMContext, contexts[0].pk)):
        claimed, _ = on_its_own(queue.claim_next)
    assert claimed.pk == second.pk
    assert queue.claim_next()[0].pk == first.pk


def test_nobody_waits_for_ever_for_a_lock():
    """The wait of a connection is bounded, and its end can be told from a database that is away."""
    context = factories.context("held")

    def impatient() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET lock_timeout = '200ms'"
                if connection.vendor == "postgresql"
                else "PRAGMA busy_timeout = 200"
            )
        VMContext.objects.filter(pk=context.pk).update(vm_name="other")

    def write() -> None:
        VMContext.objects.filter(pk=context.pk).update(vm_name="stuck")

    with stuck(write), pytest.raises(OperationalError) as refused:
        on_its_own(impatient)
    assert lock_timed_out(refused.value)
    answer = exception_handler(refused.value, {})
    assert answer is not None
    assert (answer.status_code, answer.data["code"]) == (409, "conflict")
    assert "is using this" in answer.data["message"]


def test_every_connection_has_its_bounds():
    def bound() -> Any:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA busy_timeout")
                return cursor.fetchone()
            cursor.execute(
                "SELECT current_setting('lock_timeout')::interval,"
                " current_setting('idle_in_transaction_session_timeout')::interval"
            )
            return cursor.fetchone()

    expected = (
        (settings.SQLITE_LOCK_TIMEOUT // timedelta(milliseconds=1),)
        if connection.vendor == "sqlite"
        else (settings.LOCK_TIMEOUT, settings.IDLE_IN_TRANSACTION_TIMEOUT)
    )
    assert on_its_own(bound) == expected


@on_postgresql
def test_a_client_that_stands_still_within_a_transaction_loses_its_locks():
    context = factories.context("held")

    def stand_still() -> None:
        with transaction.atomic():
            VMContext.objects.select_for_update().get(pk=context.pk)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
            threading.Event().wait(1)
            VMContext.objects.filter(pk=context.pk).update(vm_name="late")

    with pytest.raises(DatabaseError, match="idle-in-transaction"):
        on_its_own(stand_still)
    VMContext.objects.filter(pk=context.pk).update(vm_name="free")
