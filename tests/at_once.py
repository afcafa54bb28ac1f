"""Several transactions at once: in the same second, or one that stands still while others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one lock for all who write"
)


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Each action in a transaction and thread of its own; none ends before all have begun."""
    begun = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        try:
            with transaction.atomic():
                begun.wait(10)
                result = action()
                time.sleep(0.3)  # the others come as far as they can before this one commits
            return result
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [done.result(30) for done in [pool.submit(run, action) for action in actions]]


def in_threads(*actions: Callable[[], Any]) -> list[Any]:
    """Each action in a thread of its own, all of which begin together."""
    begin = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        try:
            begin.wait(30)
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [done.result(60) for done in [pool.submit(run, action) for action in actions]]


@contextmanager
def stuck(holds: Callable[[], Any]) -> Iterator[None]:
    """Another connection has locked something and stands still, until the block ends."""
    held, end = threading.Event(), threading.Event()

    def stand_still() -> None:
        try:
            with transaction.atomic():
                holds()
                held.set()
                end.wait(120)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(stand_still)
        try:
            assert held.wait(10)
            yield
        finally:
            end.set()
            done.result(10)


def on_its_own(act: Callable[[], Any]) -> Any:
    """In another thread, so that a wait without an end fails the test instead of holding it."""

    def run() -> Any:
        try:
            return act()
        finally:
            connection.close()

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(run).result(60)
    finally:
        pool.shutdown(wait=False)


def locking(model: Any, key: object) -> Callable[[], Any]:
    return lambda: model.objects.select_for_update().get(pk=key)
