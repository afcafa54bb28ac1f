"""Rows that many tests read, made once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def shared_rows(django_db_blocker: Any) -> Iterator[None]:
    """What is made in the block, or by a fixture that yields in it, is there until the block ends.
    A test that uses `db` meanwhile has a savepoint of its own: what it does goes with it."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
