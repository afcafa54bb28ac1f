"""On SQLite no job exists without its context, even where foreign keys are switched off."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection

from contexts.models import VMContext
from replication.database import events, figures, triggers
from replication.models import ReplicationJob
from tests import factories
from tests.database.attacks import ORPHANS, Attack
from tests.database.scratch import Scratch, SQLite
from tests.database.sql import copy
from vmrep import startup
from vmrep.trail import triggers as trail

pytestmark = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL's foreign keys cannot be switched off"
)
REFUSED = {triggers.MESSAGE}
ORPHANED = """
    SELECT count(*) FROM replication_jobs
    WHERE vm_context_id NOT IN (SELECT context_id FROM vm_replication_contexts)
"""


@pytest.fixture(scope="module")
def estate(
    tmp_path_factory: Any, migrate_from_nothing: Callable[[Scratch], None]
) -> tuple[SQLite, dict[str, str]]:
    database = SQLite(tmp_path_factory.mktemp("orphans") / "vmrep.sqlite3")
    migrate_from_nothing(database)
    keys = database.fill()
    return database, {name: repr(key) for name, key in keys.items()}


def aim(statements: tuple[str, ...], keys: dict[str, str]) -> list[str]:
    return [statement.format(**keys) for statement in statements]


@pytest.mark.parametrize("attack", ORPHANS, ids=lambda attack: attack.name)
def test_no_orphan_is_made_without_foreign_keys(estate: Any, attack: Attack) -> None:
    database, keys = estate
    before = database.rows()
    assert database.attack(aim(attack.statements, keys), foreign_keys=False) == REFUSED
    assert database.rows() == before


@pytest.mark.parametrize("attack", ORPHANS, ids=lambda attack: attack.name)
def test_what_makes_no_orphan_is_allowed_without_foreign_keys(estate: Any, attack: Attack) -> None:
    database, keys = estate
    with database.for_once() as copied:
        assert copied.attack(aim(attack.twin, keys), foreign_keys=False) is None


CONTEXTS = "vm_replication_contexts"
OTHER = copy(CONTEXTS, "context_id = {e}", context_id="'ctx-new'")
REPLACING = {
    "the same VM": OTHER,
    "the same current job": copy(
        *(CONTEXTS, "context_id = {a}"), context_id="'ctx-new'", vmware_vm_id="'other'"
    ),
    "the same last successful job": copy(
        *(CONTEXTS, "context_id = {d}"), context_id="'ctx-new'", vmware_vm_id="'other'"
    ),
    "the same row number": copy(
        *(CONTEXTS, "context_id = {e}"), context_id="'ctx-new'", vmware_vm_id="'other'"
    )
    .replace("(", "(rowid, ", 1)
    .replace("SELECT ", "SELECT rowid, ", 1),
}


@pytest.mark.parametrize("name", REPLACING)
@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE"])
def test_a_context_with_jobs_is_not_replaced(estate: Any, name: str, verb: str) -> None:
    """REPLACE deletes what stands in its way, and tells no trigger of the deletion."""
    database, keys = estate
    statement = REPLACING[name].replace("INSERT", verb, 1)
    assert database.attack(aim((statement,), keys), foreign_keys=False) == REFUSED


def test_a_context_with_jobs_is_not_replaced_by_an_update(estate: Any) -> None:
    database, keys = estate
    statement = (
        "UPDATE OR REPLACE vm_replication_contexts SET vmware_vm_id ="
        " (SELECT vmware_vm_id FROM vm_replication_contexts WHERE context_id = {e})"
        " WHERE context_id = {c}"
    )
    assert database.attack(aim((statement,), keys), foreign_keys=False) == REFUSED


def test_a_context_without_jobs_may_be_replaced(estate: Any) -> None:
    database, keys = estate
    statement = copy(CONTEXTS, "context_id = {c}", context_id="'ctx-new'")
    with database.for_once() as copied:
        replacing = statement.replace("INSERT", "REPLACE", 1).replace(
            "REPLACE INTO", "REPLACE INTO"
        )
        assert copied.attack(aim((replacing,), keys), foreign_keys=False) is None


def test_without_the_triggers_each_of_these_would_make_an_orphan(estate: Any) -> None:
    """So that it is the triggers that refuse."""
    database, keys = estate
    for statements in (*(attack.statements for attack in ORPHANS[1:]), (REPLACING["the same VM"],)):
        with database.for_once() as copied, closing(copied.connect(foreign_keys=False)) as stranger:
            for name in triggers.TRIGGERS:
                stranger.execute(f"DROP TRIGGER {name}")
            for statement in aim(statements, keys):
                stranger.execute(statement.replace("INSERT", "REPLACE", 1))
            assert stranger.execute(ORPHANED).fetchone()[0] > 0, statements


def test_a_program_that_trusts_no_schema_is_refused_as_well(estate: Any) -> None:
    """`PRAGMA trusted_schema=OFF` forbids what the triggers look at, and already what Django's
    own CHECKs of JSON columns do: no write, so no orphan."""
    database, keys = estate
    statement = copy("replication_jobs", "id = {a_failed}", id="'x'", vm_context_id="'none'")
    with closing(database.connect(foreign_keys=False)) as stranger:
        stranger.execute("PRAGMA trusted_schema = OFF")
        with pytest.raises(sqlite3.DatabaseError, match="unsafe"):
            stranger.execute(statement.format(**keys))


FORWARD = """
import django
django.setup()
from django.core.management import call_command

call_command("migrate", verbosity=0)
"""
FORWARD_AND_BACK_WITH_ROWS = f"""{FORWARD}
from tests.database import estate

estate.main()
call_command("migrate", "replication", "0001", verbosity=0)
"""


@pytest.mark.slow
def test_a_migration_that_rebuilds_tables_leaves_the_triggers_in_place(
    tmp_path: Path, migrate_from_nothing: Callable[[Scratch], None]
) -> None:
    database = SQLite(tmp_path / "vmrep.sqlite3")
    migrate_from_nothing(database)
    installed = present(database)
    always = triggers.TRIGGERS | {
        name: made for name, (made,) in trail.statements("sqlite").items()
    }
    of_events = {name: made for name, (made,) in events.GUARD.statements("sqlite").items()}
    assert installed.keys() == always.keys() | of_events.keys() | figures.TRIGGERS.keys()
    assert installed.items() >= (always | of_events).items()
    # Contexts, of which rows would not fit again: there are none yet.
    database.migrate("contexts", "0001")
    assert present(database) == always  # there are no figures now, and no chains
    # Jobs and recovery points, with rows.
    database.run_python(FORWARD_AND_BACK_WITH_ROWS)
    assert present(database) == always  # what figures are taken from is not there yet
    database.run_python(FORWARD)
    assert present(database) == installed


def present(database: SQLite) -> dict[str, str]:
    with closing(database.connect()) as stranger:
        return dict(stranger.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))


def test_what_migrates_nothing_leaves_no_moment_without_triggers(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[object] = []
    monkeypatch.setattr(triggers, "remove", removed.append)
    call_command("migrate", verbosity=0)
    assert removed == []
    assert triggers.missing(connection) == []
    assert trail.missing(connection) == []
    assert events.GUARD.missing(connection) == []


@pytest.mark.django_db
class TestTheCheck:
    def found(self) -> list[Any]:
        return checks.run_checks(tags=[checks.Tags.database], databases=["default"])

    def test_it_finds_nothing_where_all_are_in_place(self) -> None:
        assert self.found() == []

    def test_it_names_a_trigger_that_is_missing(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER job_inserted_has_context")
        (problem,) = self.found()
        assert problem.id == "replication.W001"
        assert "job_inserted_has_context" in problem.msg
        assert "context_deleted_has_no_jobs" not in problem.msg

    def test_it_names_a_trigger_that_was_changed(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER job_inserted_has_context")
            cursor.execute(
                "CREATE TRIGGER job_inserted_has_context BEFORE INSERT ON replication_jobs"
                " BEGIN SELECT 1; END"
            )
        assert "job_inserted_has_context" in self.found()[0].msg

    def test_migrate_is_the_remedy(self) -> None:
        triggers.remove(connection)
        assert self.found()
        call_command("migrate", verbosity=0)
        assert self.found() == []

    def test_a_process_that_starts_says_so(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(startup.connections, "close_all", lambda: None)  # the test's own
        startup.report_database()
        assert caplog.messages == []
        triggers.remove(connection)
        startup.report_database()
        (message,) = caplog.messages
        assert "manage.py migrate" in message


@pytest.mark.django_db(transaction=True)
def test_flush_empties_the_tables_and_keeps_the_triggers() -> None:
    """The audit trail and the VMs' events are no tables that a command empties: whoever wants that
    drops their triggers."""
    factories.running_job(factories.context())
    with pytest.raises(CommandError, match="couldn't be flushed"):
        call_command("flush", interactive=False, verbosity=0)
    assert ReplicationJob.objects.exists()
    trail.remove(connection)
    if connection.vendor == "postgresql":  # SQLite empties one table after another, in any order,
        # and the events of a VM may go once the VM itself has gone.
        with pytest.raises(CommandError, match="couldn't be flushed"):
            call_command("flush", interactive=False, verbosity=0)
    events.GUARD.remove(connection)
    call_command("flush", interactive=False, verbosity=0)
    assert not ReplicationJob.objects.exists()
    assert not VMContext.objects.exists()
    assert triggers.missing(connection) == []
    assert trail.missing(connection) == []
    assert events.GUARD.missing(connection) == []
