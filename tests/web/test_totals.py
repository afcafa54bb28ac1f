"""Numbers over all VMs are counted when something changed, and every few seconds."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contexts.models import VMContext
from replication.selectors.contexts import context_counts
from tests import factories
from vmrep.web import totals


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often they were counted: the number of VMs at each time."""
    heard: list[int] = []
    count = context_counts

    def listen(contexts, now):
        counts = count(contexts, now)
        heard.append(counts["total"])
        return counts

    monkeypatch.setattr(totals, "KEPT_SECONDS", 3600.0)
    monkeypatch.setattr(totals, "_kept", {})
    monkeypatch.setattr(totals, "context_counts", listen)
    return heard


def test_they_are_counted_once_while_nothing_changes(web, counted):
    factories.running_job(factories.context())
    for _ in range(3):
        web.get("/virtual-machines/")
    assert counted == [1]


@pytest.mark.parametrize(
    "change",
    [
        lambda vm: factories.context("another"),
        factories.completed_job,
        factories.failed_job,
        lambda vm: factories.repository(),
        lambda vm: VMContext.objects.filter(pk=vm.pk).update(
            rpo_target_seconds=900, updated_at=timezone.now()
        ),
    ],
    ids=["a VM comes", "a job completes", "a job fails", "a repository", "an RPO target"],
)
def test_they_are_counted_again_after_a_change(web, counted, change):
    vm = factories.context()
    web.get("/virtual-machines/")
    change(vm)
    web.get("/virtual-machines/")
    assert len(counted) == 2


def test_they_are_counted_again_after_a_while_since_time_changes_them_too(
    web, counted, monkeypatch
):
    factories.context()
    web.get("/virtual-machines/")
    monkeypatch.setattr(totals, "KEPT_SECONDS", 0.0)
    aged = {scope: kept._replace(until=0.0) for scope, kept in totals._kept.items()}
    monkeypatch.setattr(totals, "_kept", aged)
    web.get("/virtual-machines/")
    assert counted == [1, 1]
