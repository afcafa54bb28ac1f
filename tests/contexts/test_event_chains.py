"""No event of a VM is changed or removed, whoever writes to the database, and what was changed by
force is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction

from contexts import event_chains
from contexts.models import ContextEvent, ContextEventHead, VMContext
from contexts.services import events, statuses
from replication.database.events import (
    EVENTS,
    GUARD,
    HEADS,
    check_triggers,
    install_after_migrations,
)
from replication.integrity.events import vm_events_altered
from replication.integrity.findings import Scope
from replication.selectors.monitoring import ALTERED
from tests import factories
from vmrep.trail.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FORGED = "f" * 64
INSERT = (
    f"INSERT INTO {EVENTS} (vm_context_id, number, told_job_id, actor, old, new, why, created_at,"
    " digest, seal) VALUES ('{key}', {number}, '', 'eve', '', '', 'x', CURRENT_TIMESTAMP,"
    f" '{FORGED}', 'x')"
)


@pytest.fixture
def vm(db: None) -> VMContext:
    """With five events."""
    context = factories.context("web")
    record(context, 4)
    if connection.vendor == "postgresql":  # as after a commit
        execute("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED")
    return context


def record(context: VMContext, count: int = 1, job_id: str | None = None) -> None:
    for number in range(count):
        with transaction.atomic():
            statuses.record_event(
                context.pk, old="", new="", why=f"reason {number}", actor="ops", job_id=job_id
            )


def faults() -> list[str]:
    return [fault.what for fault in event_chains.verify().faults]


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def by_force() -> Iterator[None]:
    """What somebody does who has the database's own account: without the triggers."""
    GUARD.remove(connection)
    yield
    GUARD.install(connection)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {EVENTS} SET actor = 'nobody' WHERE number = 3",
        f"UPDATE {EVENTS} SET created_at = CURRENT_TIMESTAMP",
        f"UPDATE {EVENTS} SET told_job_id = 'job-other' WHERE number = 3",
        f"UPDATE {EVENTS} SET job_id = 'job-other' WHERE number = 3",
        f"UPDATE {EVENTS} SET digest = '{FORGED}' WHERE number = 3",
        f"DELETE FROM {EVENTS} WHERE number = 3",
        f"DELETE FROM {EVENTS}",
        f"TRUNCATE {EVENTS}",
        f"TRUNCATE {EVENTS}, {HEADS}",
        "TRUNCATE vm_replication_contexts CASCADE",
        INSERT.format(key="{key}", number=7),
        INSERT.format(key="{key}", number=0),
        INSERT.format(key="ctx-none", number=1),
        INSERT.replace("INSERT", "INSERT OR REPLACE").format(key="{key}", number=3),
        f"DELETE FROM {HEADS}",
        f"UPDATE {HEADS} SET number = 4",
        f"UPDATE {HEADS} SET number = 6",
        f"UPDATE {HEADS} SET digest = '{FORGED}'",
        f"INSERT INTO {HEADS} (vm_context_id, number, digest) VALUES ('ctx-none', 1, '{FORGED}')",
        f"INSERT OR REPLACE INTO {HEADS} (vm_context_id, number, digest)"
        f" VALUES ('{{key}}', 0, '{'0' * 64}')",
    ],
)
def test_a_stranger_with_sql_changes_nothing(statement: str, vm: VMContext) -> None:
    if connection.vendor == "sqlite" and "TRUNCATE" in statement:
        pytest.skip("SQLite has no TRUNCATE")
    if connection.vendor == "postgresql" and "OR REPLACE" in statement:
        pytest.skip("PostgreSQL has no OR REPLACE")
    before = list(ContextEvent.objects.values_list()), list(ContextEventHead.objects.values_list())
    with pytest.raises(IntegrityError, match="context_event"), transaction.atomic():
        execute(statement.format(key=vm.pk))
    now = list(ContextEvent.objects.values_list()), list(ContextEventHead.objects.values_list())
    assert before == now
    assert faults() == []


@pytest.mark.parametrize(
    ("by_whom", "found"),
    [
        (
            [f"UPDATE {EVENTS} SET actor = 'nobody' WHERE number = 3"],
            "Event 3 does not follow event 2: one of the two was changed.",
        ),
        ([f"UPDATE {EVENTS} SET why = 'x' WHERE number = 1"], "Event 1 was changed."),
        ([f"DELETE FROM {EVENTS} WHERE number IN (2, 3)"], "Events 2 to 3 are missing."),
        ([f"DELETE FROM {EVENTS} WHERE number = 1"], "Event 1 is missing."),
        (
            [f"DELETE FROM {EVENTS} WHERE number = 5"],
            "Event 5 is missing: the head knows of them.",
        ),
        ([f"DELETE FROM {EVENTS}"], "Events 1 to 5 are missing: the head knows of them."),
        (
            [
                f"UPDATE {EVENTS} SET number = 99 WHERE number = 2",
                f"UPDATE {EVENTS} SET number = 2 WHERE number = 4",
                f"UPDATE {EVENTS} SET number = 4 WHERE number = 99",
            ],
            "Event 2 does not follow event 1: one of the two was changed.",
        ),
        ([INSERT.format(key="{key}", number=6)], "The head knows nothing of event 6."),
        (
            [
                INSERT.format(key="{key}", number=6),
                f"UPDATE {HEADS} SET number = 6, digest = '{FORGED}'",
            ],
            "Event 6 does not follow event 5: one of the two was changed.",
        ),
        ([f"DELETE FROM {HEADS}"], "The head of its events is missing."),
    ],
)
def test_what_is_done_by_force_is_found(by_whom: list[str], found: str, vm: VMContext) -> None:
    other = factories.context("db")
    with by_force():
        execute(*[each.format(key=vm.pk) for each in _of(vm, by_whom)])
    assert event_chains.verify().faults == [event_chains.Fault(vm.pk, found)]
    assert event_chains.verify(VMContext.objects.filter(pk=other.pk)).faults == []
    with pytest.raises(SystemExit):
        call_command("verify_audit")


def _of(vm: VMContext, statements: list[str]) -> list[str]:
    """Aimed at that VM alone."""
    return [
        each
        if each.startswith("INSERT")
        else f"{each} {'AND' if 'WHERE' in each else 'WHERE'} vm_context_id = '{vm.pk}'"
        for each in statements
    ]


def test_the_integrity_check_and_monitoring_tell_of_it(vm: VMContext) -> None:
    assert list(vm_events_altered(Scope())) == []
    with by_force():
        execute(f"UPDATE {EVENTS} SET actor = 'nobody' WHERE number = 3")
    for scope in (Scope(), Scope(deep=True)):
        (found,) = vm_events_altered(scope)
        assert (found.context_id, found.vm_name) == (vm.pk, "web")
        assert found.code in ALTERED


def test_only_the_newest_are_read_if_asked(vm: VMContext) -> None:
    with by_force():
        execute(f"UPDATE {EVENTS} SET actor = 'nobody' WHERE number = 2")
    newest = [event_chains.verify(newest=count) for count in (1, 3, 4, 5, 6)]
    assert [(each.events, len(each.faults)) for each in newest] == [
        *((1, 0), (3, 0), (4, 1), (5, 1), (5, 1)),
    ]
    with by_force():
        execute(f"DELETE FROM {EVENTS} WHERE number = 3")
    (found,) = event_chains.verify(newest=2).faults
    assert found.what == "Event 3 is missing."


def test_a_chain_that_was_made_anew_has_no_seal(vm: VMContext) -> None:
    """Whoever has the database but no key can make all digests, and no seal."""
    previous = vm.events.get(number=2).digest
    with by_force():
        for event in vm.events.filter(number__gte=3).order_by("number"):
            event.actor = "nobody" if event.number == 3 else event.actor
            event.digest = previous = events.digest(
                previous, [getattr(event, name) for name in events.FIELDS]
            )
            event.save(update_fields=["actor", "digest"])
        ContextEventHead.objects.filter(pk=vm.pk).update(digest=previous)
    (found,) = faults()
    assert found.startswith("Events 3 to 5 are not sealed by any key of this installation")


def test_an_event_of_a_job_that_is_deleted_lets_go_of_it_and_still_tells_it(vm: VMContext) -> None:
    job = factories.cancelled_job(vm)
    event = vm.events.filter(job=job).latest("id")
    with pytest.raises(IntegrityError, match="never_changed"), transaction.atomic():
        execute(f"UPDATE {EVENTS} SET job_id = NULL, why = 'x' WHERE id = {event.pk}")
    execute(f"UPDATE {EVENTS} SET job_id = NULL WHERE id = {event.pk}")
    event.refresh_from_db()
    assert event.reason.endswith(f"({job.pk}, since deleted)")
    with pytest.raises(IntegrityError, match="never_changed"), transaction.atomic():
        execute(f"UPDATE {EVENTS} SET job_id = '{job.pk}' WHERE id = {event.pk}")
    assert faults() == []


def test_events_go_with_their_vm(vm: VMContext) -> None:
    kept = factories.context("db")
    vm.delete()
    connection.check_constraints()
    assert set(ContextEvent.objects.values_list("vm_context_id", flat=True)) == {kept.pk}
    assert set(ContextEventHead.objects.values_list("pk", flat=True)) == {kept.pk}
    assert faults() == []


def test_a_lost_head_is_made_by_migrate_which_tells_of_it(vm: VMContext) -> None:
    with by_force():
        ContextEventHead.objects.all().delete()
    with pytest.raises(events.NoHead, match=r"manage\.py migrate"):
        record(vm)
    install_after_migrations(using="default")
    told = Event.objects.get(verb="restore", vm_context_id=vm.pk)
    assert "newest events may be missing" in told.new
    record(vm)
    assert faults() == []


def test_what_is_recorded_while_the_triggers_are_missing_is_caught_up_with(vm: VMContext) -> None:
    """As after a `migrate` that was killed. What vmrep did not write is not."""
    other = factories.context("db")
    GUARD.remove(connection)
    assert "context_event_is_kept" in check_triggers(databases=["default"])[0].msg
    record(vm)
    ContextEventHead.objects.filter(pk=other.pk).delete()
    install_after_migrations(using="default")
    assert check_triggers(databases=["default"]) == []
    record(vm)
    assert faults() == []
    GUARD.remove(connection)
    execute(INSERT.format(key=vm.pk, number=8))
    install_after_migrations(using="default")
    assert faults() == ["The head knows nothing of event 8."]


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_make_one_chain() -> None:
    vm, begin = factories.context("web"), threading.Barrier(2)

    def act() -> None:
        begin.wait(30)
        try:
            record(vm, 10)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert list(vm.events.order_by("number").values_list("number", flat=True)) == [*range(1, 22)]
    assert faults() == []


def test_many_events_take_as_many_statements_as_one(
    vm: VMContext, django_assert_num_queries: object
) -> None:
    vms = [vm, *(factories.context(f"vm{number}", at=vm.vcenter) for number in range(3))]
    with django_assert_num_queries(2):  # type: ignore[operator]
        told = events.record(
            [ContextEvent(vm_context=each, actor="ops", why="all") for each in [*vms, *vms]]
        )
    assert [event.number for event in told] == [6, 2, 2, 2, 7, 3, 3, 3]
    assert faults() == []
