"""The database itself refuses what is impossible, whoever asks and in whatever order.

The attacks are made on a fresh database: one that was upgraded is made of the same
(`test_upgrade.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from tests.database import documented
from tests.database.attacks import ATTACKS, Attack
from tests.database.attacks.attack import CONTEXTS, NOW
from tests.database.attacks.rows import VM_A
from tests.database.scratch import Scratch, models, our_names, scratch
from tests.database.sql import update


@dataclass(frozen=True)
class Target:
    database: Scratch
    keys: dict[str, str]
    rows: dict[str, list[tuple[Any, ...]]]

    def aim(self, statements: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(statement.format(**self.keys) for statement in statements)


@pytest.fixture(scope="module")
def target(
    tmp_path_factory: Any, migrate_from_nothing: Callable[[Scratch], None]
) -> Iterator[Target]:
    with scratch(tmp_path_factory.mktemp("attacked")) as database:
        migrate_from_nothing(database)
        literals = {
            name: f"'{key}'" if isinstance(key, str) else str(key)
            for name, key in database.fill().items()
        }
        literals["three_bytes"] = "X'616263'" if database.vendor == "sqlite" else "'abc'"
        target = Target(database, literals, database.rows())
        yield target
        assert database.rows() == target.rows, "something that was refused is there"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_in_any_order(target: Target, attack: Attack) -> None:
    statements = target.aim(attack.statements)
    for number, order in enumerate(itertools.permutations(statements)):
        refused = target.database.attack(order)
        assert refused, f"accepted: {order}"
        all_known = target.database.vendor == "sqlite" and number == 0
        expected = attack.rules[:1] if all_known else attack.rules
        assert refused & set(expected), f"refused by {refused}: {order}"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_is_like_it_but_allowed_is_accepted(target: Target, attack: Attack) -> None:
    assert target.database.attack(target.aim(attack.twin), lasting=False) is None


@pytest.mark.parametrize(
    "wrong",
    [
        f"newest_recovery_point_at = {NOW}",
        "newest_recovery_point_at = NULL",
        "disk_count = 7",
        "capacity_bytes = 7",
        "capacity_bytes = NULL",
        "last_job_failed = NOT last_job_failed",
        "disk_count = 0, capacity_bytes = NULL, last_job_failed = NOT last_job_failed",
    ],
)
def test_a_figure_of_other_rows_that_a_stranger_writes_does_not_stand(
    target: Target, wrong: str
) -> None:
    """It is not refused: who writes back a whole row that he read earlier means no harm."""
    statements = target.aim((update(CONTEXTS, wrong, VM_A),))
    with target.database.for_once() as database:
        before = database.rows()
        assert database.attack(statements) is None
        assert database.rows() == before


def test_every_rule_is_attacked() -> None:
    """A rule without an attack is one that nobody has seen at work."""
    attacked = {attack.rules[0] for attack in ATTACKS}
    assert our_names() - TARGETS - attacked == set()
    assert our_names() > TARGETS


# Unique constraints of a primary key and more, there for foreign keys to point at: no row can
# break one without breaking the primary key.
TARGETS = {
    "context_with_its_current_job",
    "disk_with_its_context",
    "image_with_its_disk_and_repository",
    "image_with_its_being_committed",
    "image_with_its_parent",
    "job_once_completed",
    "job_while_active",
    "job_with_its_context",
    "point_with_its_context",
    "point_with_its_terms",
    "policy_with_its_vm",
    "repository_that_is_there",
}


def test_the_documentation_lists_every_rule_and_what_it_refuses() -> None:
    """To write it anew: .venv/bin/python -m tests.database.documented"""
    assert documented.written(documented.PAGE.read_text()) == documented.table()


def test_every_column_has_its_type_on_sqlite_too(target: Target) -> None:
    """Also one that a migration added without rebuilding the table (see `ColumnTypes`)."""
    if target.database.vendor != "sqlite":
        pytest.skip("PostgreSQL's columns have types")
    with closing(target.database.connect()) as stranger:
        for model in models():
            table = model._meta.db_table
            (sql,) = stranger.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [table]
            ).fetchone()
            checks = sql.partition('_column_types" CHECK')[2]
            for field in model._meta.concrete_fields:
                if not field.generated:
                    assert f'"{field.column}"' in checks, f"{table}.{field.column} has no type"
