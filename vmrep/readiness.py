"""Whether this process can serve pages: for load balancers, which anybody may claim to be."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from contexts import crypto
from contexts.errors import SecretUnreadable
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
    """Whether stored passwords can be read: the newest, since keys are changed for all."""
    stored = VCenter.objects.order_by("-pk").values_list("password_encrypted", flat=True)[:1]
    try:
        for each in stored:
            crypto.decrypt(each)
    except SecretUnreadable:
        return "unreadable"
    return OK
