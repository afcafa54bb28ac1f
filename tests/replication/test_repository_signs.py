"""What workers see of repositories, and that a repository which went away lowers its VMs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.clock import database_now
from contexts.models import VMContext
from replication.models import RepositorySign, RepositorySpace
from replication.scheduler import tick
from replication.selectors import protection
from replication.selectors.damages import why_broken
from replication.selectors.protection import facts_of, state_of
from replication.services import leases, repository_signs
from tests import factories
from tests.factories import MIB

pytestmark = pytest.mark.django_db


def state() -> str:
    return str(state_of(facts_of(VMContext.objects.get()), protection.terms(timezone.now())))


def test_a_repository_that_goes_away_breaks_its_vms_and_its_return_mends_them(tmp_path):
    here = tmp_path / "repository"
    vm = factories.context("web", keep_in=factories.repository("store", here))
    factories.recovery_point(vm)
    repository_signs.look()
    sign = RepositorySign.objects.get()
    assert (sign.host, sign.problem) == (leases.this_host(), "")
    assert sign.reached_at == sign.looked_at
    assert state() == "no_target"

    here.rename(tmp_path / "unmounted")
    repository_signs.look()
    assert state() == "no_target", "one look that fails may be a short outage"
    reached = RepositorySign.objects.get().reached_at
    RepositorySign.objects.update(reached_at=reached - timedelta(minutes=1))
    repository_signs.look()
    assert state() == "broken"
    found = why_broken(vm)
    assert found.is_away
    assert "store" in found.why
    assert leases.this_host() in found.why

    (tmp_path / "unmounted").rename(here)
    repository_signs.look()
    assert state() == "no_target"
    assert why_broken(vm) is None
    assert RepositorySign.objects.count() == 1


def test_the_tick_asks_for_a_look_and_looks_at_nothing_itself(tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr("replication.messages.send", lambda *message: sent.append(message))
    tick.tick()
    assert sent == [], "there is nothing to look at"
    factories.repository(path=tmp_path / "repository")
    tick.tick()
    assert sent == [("replication.tasks.look_at_repositories",)]
    assert not RepositorySign.objects.exists()


def test_a_repository_that_is_removed_takes_what_was_seen_of_it_along(tmp_path):
    from replication.services import repositories

    repository = factories.repository(path=tmp_path / "repository")
    repository_signs.look()
    repositories.remove(repository, actor="ops")
    assert not RepositorySign.objects.exists()
    repository_signs.look()


def test_space_is_kept_once_an_hour_and_for_400_days(tmp_path):
    here = factories.repository(path=tmp_path / "here")
    factories.completed_job(factories.context(keep_in=here), planned_bytes=MIB)
    away = factories.repository("away")
    old = database_now() - timedelta(days=401)
    RepositorySpace.objects.create(
        repository=here, hour=old, free_bytes=1, total_bytes=2, stored_bytes=1
    )
    repository_signs.look()
    repository_signs.look()
    kept = RepositorySpace.objects.get()
    assert (kept.repository, kept.stored_bytes) == (here, MIB)
    assert kept.hour.minute == 0
    assert kept.free_bytes <= kept.total_bytes
    assert not away.space.exists()
