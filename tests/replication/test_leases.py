"""One writer per context."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now

from replication.errors import LeaseLost
from replication.models import ContextLease
from replication.services import leases
from replication.states import LeaseHolder
from replication.sync.guard import Guard
from tests import factories
from tests.at_once import in_threads

pytestmark = pytest.mark.django_db


def _expire(context) -> None:
    ContextLease.objects.filter(vm_context=context).update(expires_at=Now() - timedelta(seconds=1))


def test_a_second_holder_gets_nothing_while_the_first_holds():
    context = factories.context()
    assert leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    assert leases.acquire(context.pk, LeaseHolder.CLEAN_UP) is None


def test_a_released_lease_can_be_taken():
    context = factories.context()
    leases.release(leases.acquire(context.pk, LeaseHolder.CLEAN_UP))
    assert leases.acquire(context.pk, LeaseHolder.CLEAN_UP)


def test_an_expired_lease_can_be_taken_and_its_first_holder_notices():
    context = factories.context()
    first = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    _expire(context)
    second = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    assert second is not None
    assert not leases.renew(first)
    with transaction.atomic(), pytest.raises(LeaseLost):
        leases.require(first)


def test_an_expired_lease_that_nobody_took_is_still_its_holders():
    context = factories.context()
    lease = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    _expire(context)
    assert leases.renew(lease)
    assert leases.acquire(context.pk, LeaseHolder.CLEAN_UP) is None


def test_releasing_a_lost_lease_leaves_the_new_holder_alone():
    context = factories.context()
    first = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    _expire(context)
    second = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    leases.release(first)
    assert leases.renew(second)


@pytest.mark.django_db(transaction=True)
def test_a_guard_notices_that_its_lease_was_taken(monkeypatch):
    monkeypatch.setattr("replication.sync.guard.RENEW_EVERY_SECONDS", 0.02)
    context = factories.context()
    with Guard(leases.acquire(context.pk, LeaseHolder.CLEAN_UP)) as guard:
        guard.check()
        _expire(context)
        while not leases.acquire(context.pk, LeaseHolder.CLEAN_UP):
            _expire(context)  # the guard may have renewed it in between
        assert guard._lost.wait(10)
        with pytest.raises(LeaseLost):
            guard.check()


@pytest.mark.django_db(transaction=True)
def test_a_guard_gives_up_when_the_database_is_silent_for_too_long(monkeypatch):
    context = factories.context()
    lease = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    with Guard(lease) as guard:
        guard.check()
        now = [guard._trusted_until + 0.1]
        monkeypatch.setattr("replication.sync.guard._clock", lambda: now[0])
        with pytest.raises(LeaseLost):
            guard.check()


@pytest.mark.django_db(transaction=True)
def test_a_guard_does_not_begin_with_a_lease_that_was_lost_meanwhile():
    context = factories.context()
    lease = leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    _expire(context)
    assert leases.acquire(context.pk, LeaseHolder.CLEAN_UP)
    with pytest.raises(LeaseLost), Guard(lease):
        pass


def test_work_may_stand_still_for_less_long_while_its_storage_is_away(monkeypatch):
    monkeypatch.setattr("replication.sync.guard.STALLED_AFTER_SECONDS", 1000)
    monkeypatch.setattr("replication.sync.guard.STALLED_AWAY_SECONDS", 10)
    there, away = (Guard(lease=None, is_away=lambda away=away: away) for away in (False, True))
    assert [guard.is_too_long(9) for guard in (there, away)] == [False, False]
    assert [guard.is_too_long(11) for guard in (there, away)] == [False, True]
    assert [guard.is_too_long(1001) for guard in (there, away)] == [True, True]


@pytest.mark.django_db(transaction=True)
def test_a_guard_lets_the_lease_run_out_when_there_is_no_sign_of_work(monkeypatch):
    monkeypatch.setattr("replication.sync.guard.RENEW_EVERY_SECONDS", 0.02)
    monkeypatch.setattr("replication.sync.guard.STALLED_AFTER_SECONDS", 0.5)
    context = factories.context()
    stalled = threading.Event()
    with Guard(leases.acquire(context.pk, LeaseHolder.CLEAN_UP), on_stall=stalled.set) as guard:
        for _ in range(50):
            guard.check()
            time.sleep(0.02)
        assert not stalled.is_set()
        assert stalled.wait(10)
        expires_at = ContextLease.objects.get().expires_at
        time.sleep(0.2)
        assert ContextLease.objects.get().expires_at == expires_at


@pytest.mark.django_db(transaction=True)
def test_of_many_that_ask_at_once_one_gets_the_lease():
    context = factories.context()

    def ask() -> leases.Lease | None:
        return leases.acquire(context.pk, LeaseHolder.CLEAN_UP)

    got = in_threads(*[ask] * 8)
    assert len(got) == 8
    assert len([lease for lease in got if lease]) == 1
