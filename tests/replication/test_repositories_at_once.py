"""A repository is removed while a VM comes to it: one of both is refused, whoever is faster."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection

from contexts.models import VMContext
from contexts.services import management
from replication.errors import RepositoryGone, RepositoryInUse
from replication.models import Repository
from replication.services import moving, repositories
from tests import factories
from tests.at_once import in_threads

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time"
    ),
]


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except (RepositoryInUse, RepositoryGone, IntegrityError) as problem:
        return type(problem).__name__
    return ""


@pytest.mark.parametrize("what", ["take", "move"])
def test_a_vm_never_ends_up_in_a_removed_repository(what, monkeypatch):
    here = factories.repository("here")
    moved = factories.context("moved", keep_in=factories.repository("there"))
    vm = factories.discovered_vm("web")
    looked, has_acted = threading.Event(), threading.Event()
    in_the_way = repositories.in_the_way

    def look_then_wait(repository):
        found = in_the_way(repository)
        looked.set()
        has_acted.wait(10)  # the VM comes after the look, and before the commit
        return found

    monkeypatch.setattr(repositories, "in_the_way", look_then_wait)

    def act() -> object:
        looked.wait(10)
        try:
            if what == "take":
                return management.take([vm], repository=here, actor="ops")
            return moving.move(moved, here, actor="ops")
        finally:
            has_acted.set()

    came, removed = in_threads(
        lambda: outcome(act), lambda: outcome(lambda: repositories.remove(here, actor="ops"))
    )
    assert bool(came) != bool(removed)
    kept_there = VMContext.objects.filter(repository=here).exists()
    assert kept_there == Repository.objects.filter(pk=here.pk).exists()
