"""A service that the database breaks off for another one's sake is repeated, and no other is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from tests import factories


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no deadlocks")
def test_two_that_wait_for_each_other_both_get_through():
    contexts = [factories.context(name).pk for name in ("one", "two")]
    met = threading.Barrier(2)
    calls = []

    @one_transaction
    def name_both(first: str, second: str) -> None:
        calls.append(first)
        statuses.lock(first)
        if len(calls) <= 2:
            met.wait(10)
        statuses.lock(second)
        VMContext.objects.filter(pk__in=contexts).update(vm_name=first)

    def run(ids: tuple[str, str]) -> None:
        try:
            name_both(*ids)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, [(contexts[0], contexts[1]), (contexts[1], contexts[0])]))
    assert len(calls) == 3


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_not_asked_again():
    calls = []

    @one_transaction
    def away() -> None:
        calls.append(1)
        raise OperationalError("the connection is closed")

    with pytest.raises(OperationalError):
        away()
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_within_a_transaction_only_its_owner_can_repeat_it():
    """What came before it in that transaction is gone, too."""
    calls = []

    class Deadlock(Exception):
        sqlstate = "40P01"

    @one_transaction
    def broken_off() -> None:
        calls.append(1)
        raise OperationalError("deadlock detected") from Deadlock()

    with pytest.raises(OperationalError), transaction.atomic():
        broken_off()
    assert len(calls) == 1
    with pytest.raises(OperationalError):
        broken_off()
    assert len(calls) > 2
