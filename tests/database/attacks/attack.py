"""An attack, and short ways to say the usual ones."""

from __future__ import annotations

from dataclasses import dataclass

from tests.database.sql import copy, update

Statements = tuple[str, ...]


@dataclass(frozen=True)
class Attack:
    """`rules`: the first one must be broken; the others are broken as well, and a database that
    names only one rule (PostgreSQL), or is told in another order, may name one of them."""

    name: str
    rules: Statements
    statements: Statements
    twin: Statements


def change(table: str, key: str, rule: str, bad: str, good: str, name: str) -> Attack:
    """One row gets impossible values; the twin gives it possible ones."""
    return Attack(name, (rule,), (update(table, bad, key),), (update(table, good, key),))


def insert(table: str, key: str, rules: str, bad: dict, good: dict, name: str) -> Attack:
    """A row like an existing one, but impossible; the twin is possible."""
    return Attack(
        name, tuple(rules.split()), (copy(table, key, **bad),), (copy(table, key, **good),)
    )


NOW = "CURRENT_TIMESTAMP"
JOBS, CONTEXTS = "replication_jobs", "vm_replication_contexts"
POINTS, IMAGES = "recovery_points", "disk_images"
NEW = "'job-new'"
