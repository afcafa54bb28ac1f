"""Whether this process can serve pages: for load balancers, which anybody may claim to be."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from contexts import crypto
from contexts.models import VCenter
from vmrep import database_away

OK = "ok"
_AWAY = {"database": "unreachable", "migrations": "unknown", "secrets": "unknown"}


def readiness() -> dict[str, str]:
    """By part, one word: `ok`, or what is wrong, without any detail."""
    if not database_away.answers():
        return _AWAY
    try:
        return {"database": OK, "migrations": _migrations(), "secrets": _secrets()}
    except (DatabaseError, InterfaceError) as problem:
        database_away.noted(problem)
        return _AWAY


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    wanted = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "missing" if wanted else OK


def _secrets() -> str:
    """Whether there is the key of the newest password: keys are changed for all of them."""
    stored = VCenter.objects.order_by("-pk").values_list("password_encrypted", flat=True)[:1]
    return OK if all(map(crypto.has_key, stored)) else "unreadable"
