"""A populated database of the time before 0.1.0 (`fixtures/`) is taken up as it is, and so is one
that has been through some of the migrations since then.

Its migrations were replaced by the first release's: the database must then be as if those had made
it, with all that was in it. One that has been through some of them only is refused.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db.migrations.loader import MigrationLoader

from replication.database import history
from tests.database.schema import objects
from tests.database.scratch import Scratch, SQLite, models, scratch
from vmrep.accounts.tokens import digest

LOADER = MigrationLoader(None)
REPLACED = [
    name
    for migration in LOADER.replacements.values()
    if migration.app_label in ("contexts", "replication")
    for name in migration.replaces
]
GONE = [".".join(name) for name in REPLACED if name not in LOADER.disk_migrations]

OLD_TOKENS = "authtoken_token"
GONE_TABLES = (OLD_TOKENS, "django_session")  # they had keys in clear
LAST = "contexts.0010_one_name_for_not_replicated_yet"

# All migrations from nothing run on both databases in the fast tier.
pytestmark = [pytest.mark.any_database, pytest.mark.slow]


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Scratch]:
    with scratch(tmp_path) as database:
        database.load("before_0.1.0")
        yield database


@dataclass(frozen=True)
class Upgraded:
    database: Scratch
    columns: dict[str, list[str]]
    """Before it was upgraded, as the rest here."""
    contents: dict[str, list[tuple[Any, ...]]]


# Rows that a migration changes: a job that compared its only disk, a transport that no version had.
CHANGED = """
    UPDATE cbt_history SET sync_type = 'checksum' WHERE job_id IN (
        SELECT id FROM replication_jobs WHERE source_vm_name = 'b' AND status = 'completed');
    UPDATE disk_images SET sync_type = 'checksum' WHERE job_id IN (
        SELECT id FROM replication_jobs WHERE source_vm_name = 'b' AND status = 'completed');
    UPDATE vcenters SET transport = 'nbd' WHERE name = 'nearby';
"""
CHANGES = {
    "replication_jobs": ({"b", "completed"}, "replication_type", "checksum"),
    "vcenters": ({"nearby"}, "transport", "auto"),
}
"""By table: what is in the row; the column and its new value."""


def expected(upgraded: Upgraded, table: str) -> list[tuple[Any, ...]]:
    """The rows of before, but for those changes."""
    rows = upgraded.contents[table]
    if table not in CHANGES:
        return rows
    known, column, value = CHANGES[table]
    at = upgraded.columns[table].index(column)
    (changed,) = (row for row in rows if known <= set(row))
    assert changed[at] != value
    others = [row for row in rows if row != changed]
    return sorted([*others, (*changed[:at], value, *changed[at + 1 :])], key=repr)


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    with scratch(tmp_path_factory.mktemp("upgraded")) as database:
        database.load("before_0.1.0")
        database.execute(CHANGED.encode())
        columns = columns_by_table(database)
        before = contents(database, columns)
        database.migrate()
        yield Upgraded(database, columns, before)


def test_it_is_then_made_of_the_same_as_a_fresh_one(
    upgraded: Upgraded, tmp_path: Path, migrate_from_nothing: Callable[[Scratch], None]
) -> None:
    """Both once dumped and restored: PostgreSQL writes an expression otherwise after that."""
    with scratch(tmp_path, "fresh") as fresh:
        migrate_from_nothing(fresh)
        made = once_restored(fresh, tmp_path, "fresh_restored")
    assert len(made) > 500
    assert once_restored(upgraded.database, tmp_path, "upgraded_restored") ^ made == set()


def once_restored(database: Scratch, folder: Path, name: str) -> set[str]:
    with scratch(folder, name) as restored:
        restored.execute(database.dump())
        return objects(restored)


def test_no_row_is_lost_or_changed(upgraded: Upgraded) -> None:
    since_then = {"recovery_point_snapshots", "image_damages"}
    since_then |= {"places", "limits", "bandwidth_windows"}
    since_then |= {"repository_signs", "installation"}
    since_then |= {"signs_of_life", "vcenter_signs", "incidents"}  # tables that came later
    since_then |= {"occurrences", "protection_spells"}
    since_then |= {f"notification_{name}" for name in ("channels", "rules", "rule_kinds")}
    since_then.add("notification_deliveries")
    since_then |= {"policies", "policy_windows", "policy_scopes", "effective_policies"}
    since_then |= {"policy_takings", "point_removals", "image_merges"}
    since_then |= {"vm_schedules", "pauses"}
    since_then |= {"repository_space", "bulk_actions", "bulk_items", "saved_views"}
    since_then |= {"api_tokens", "sessions", "identities", "account_scopes"}
    since_then |= {"audit_events", "audit_head", "context_event_heads"}
    since_then |= {"api_keyed_requests", "replica_manifests"}
    since_then |= {"vm_groups", "vm_group_members", "group_runs", "group_run_members"}
    since_then |= {"tallies", "point_verifications", "verification_damages"}
    tables = {model._meta.db_table for model in models()} - since_then
    assert all(upgraded.contents[table] for table in tables)
    still = {name: it for name, it in upgraded.columns.items() if name not in GONE_TABLES}
    now = contents(upgraded.database, still)
    # Django adds those of new tables; the roles are groups.
    added_to = ("auth_permission", "django_content_type", "auth_group", "auth_user_groups")
    for table in added_to:
        assert set(now.pop(table)) >= set(upgraded.contents[table])
    assert now == {table: expected(upgraded, table) for table in now}
    assert len(now) == len(upgraded.contents) - len((*added_to, *GONE_TABLES))


def test_the_tokens_hold_and_are_nowhere_in_clear(upgraded: Upgraded) -> None:
    (row,) = upgraded.contents[OLD_TOKENS]
    key = row[upgraded.columns[OLD_TOKENS].index("key")]
    with contextlib.closing(upgraded.database.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT digest, prefix, scope, origin FROM api_tokens")
        assert cursor.fetchall() == [(digest(key), key[:6], "danger", "earlier")]
    assert key.encode() not in upgraded.database.dump()
    if isinstance(upgraded.database, SQLite):  # nor in a page of the file that is free now
        assert key.encode() not in upgraded.database.path.read_bytes()


def test_what_has_vms_is_paused_until_somebody_looks_at_the_policies(upgraded: Upgraded) -> None:
    with contextlib.closing(upgraded.database.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT kind, paused_by, until, ended_at FROM pauses")
        assert cursor.fetchall() == [("all", "vmrep", None, None)]


def test_nothing_is_left_to_do(upgraded: Upgraded) -> None:
    upgraded.database.manage_all(
        ("migrate", "--check"),
        ("makemigrations", "--check", "--dry-run"),
        ("check", "--database", "default", "--fail-level", "WARNING"),
    )


def test_the_integrity_check_finds_what_it_found_before(upgraded: Upgraded) -> None:
    """A check was made in the fixture before it was dumped; nothing was repaired."""
    about = ("code", "severity", "context_id", "job_id")
    names = upgraded.columns["integrity_findings"]
    before = [
        tuple(row[names.index(name)] for name in about)
        for row in upgraded.contents["integrity_findings"]
    ]
    assert before
    with upgraded.database.for_once() as copy:
        found = json.loads(copy.attempt("manage.py", "check_integrity", "--json").stdout)
    assert sorted(tuple(one[name] for name in about) for one in found["findings"]) == sorted(before)


@pytest.mark.parametrize(
    "lacking",
    [
        pytest.param(["replication.0010_many_contexts"], id="last of replication"),
        pytest.param([LAST], id="last of contexts"),
        pytest.param(
            ["contexts.0009_fill_figures_of_contexts", LAST],
            id="last two",
        ),
        pytest.param(
            [name for name in GONE if name != "contexts.0001_initial"],
            id="all but the first",
        ),
    ],
)
def test_one_that_stands_between_is_refused_and_left_alone(
    old: Scratch, lacking: list[str]
) -> None:
    """By its record of migrations, which is what `migrate` goes by."""
    for app, name in (name.split(".") for name in lacking):
        old.execute(
            f"DELETE FROM django_migrations WHERE app = '{app}' AND name = '{name}'".encode()
        )
    before = objects(old), old.rows()
    refused = old.attempt("manage.py", "migrate", "--no-input")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if "replication.E001" in line]
    assert f"First run manage.py migrate of commit {history.LAST_COMMIT} on it" in line
    assert (objects(old), old.rows()) == before


GO_ON_TO_AND_THEN_ALL_THE_WAY = """
import json, sys, django
django.setup()
from django.core.management import call_command
from django.core.management.sql import emit_pre_migrate_signal
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

MigrationExecutor(connection).check_replacements()  # that is the first release
executor = MigrationExecutor(connection)
executor.loader.replace_migrations = False
executor.loader.build_graph()
executor.check_replacements = lambda: None
targets = [tuple(target) for target in json.loads(sys.argv[1])]
plan = executor.migration_plan(targets)
emit_pre_migrate_signal(0, False, "default", plan=plan, apps=django.apps.apps)
executor.migrate(targets)

call_command("migrate", verbosity=0)
call_command("migrate", check_unapplied=True)
"""


@pytest.mark.parametrize(
    "last",
    [
        ["0003_lone_hosts", None],
        ["0005_help_texts", "0005_help_texts"],
        ["0009_places_and_transports", "0006_what_a_vm_can_be_reverted_to"],
        ["0009_places_and_transports", "0009_help_texts_2"],
        ["0011_doubts_of_tracking", "0004_name_checksum_jobs"],
        ["0011_doubts_of_tracking", "0009_help_texts_2"],
    ],
    ids=str,
)
def test_one_that_has_some_of_the_replaced_migrations_goes_on_with_them(
    old: Scratch,
    last: list[str],
    tmp_path: Path,
    migrate_from_nothing: Callable[[Scratch], None],
) -> None:
    targets = [
        (app, name) for app, name in zip(("contexts", "replication"), last, strict=True) if name
    ]
    old.execute(CHANGED.encode())
    rows = {table: len(rows) for table, rows in old.rows().items()}
    old.run_python(GO_ON_TO_AND_THEN_ALL_THE_WAY, json.dumps(targets))
    assert {table: len(rows) for table, rows in old.rows().items()}.items() >= rows.items()
    with scratch(tmp_path, "fresh") as fresh:
        migrate_from_nothing(fresh)
        made = once_restored(fresh, tmp_path, "fresh_restored")
    assert once_restored(old, tmp_path, "upgraded_restored") ^ made == set()


def test_a_fresh_one_may_be_interrupted(tmp_path: Path) -> None:
    """What has a whole migration and not the next is no place between."""
    with scratch(tmp_path) as database:
        database.manage_all(("migrate", "replication", "0001", "-v0"), ("migrate", "-v0"))


def columns_by_table(database: Scratch) -> dict[str, list[str]]:
    query = (
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
        " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"
        if database.vendor == "sqlite"
        else "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    )
    columns: dict[str, list[str]] = {}
    with closing(database.connect()) as stranger:
        for table, column in stranger.execute(query).fetchall():
            columns.setdefault(table, []).append(column)
    del columns["django_migrations"]
    return columns


def contents(database: Scratch, columns: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
    """What is in these columns; others may have been added."""
    with closing(database.connect()) as stranger:
        return {
            table: sorted(stranger.execute(f'SELECT "{quoted}" FROM {table}').fetchall(), key=repr)
            for table, quoted in ((table, '", "'.join(names)) for table, names in columns.items())
        }
