"""The policy for all VMs is there, whatever became of the database."""

from __future__ import annotations

from typing import Any

from django.db import connections

from replication.models import PolicyScope
from replication.policies import services


def make_after_migrations(using: str, **signal: Any) -> None:
    """`post_migrate`, also after `flush`; and after a migration to before there were policies."""
    if PolicyScope._meta.db_table in connections[using].introspection.table_names():
        services.default_policy()
