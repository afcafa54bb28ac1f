"""Several machines, each of which has some of the repositories."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from contexts.clock import database_now
from replication.health import broker
from replication.models import RepositorySign, SignOfLife, VCenterSign
from replication.scheduler import tick
from replication.scheduler.candidates import Away
from replication.selectors.health import Parts, health
from replication.selectors.progress import waiting_for
from replication.services import leases, queue, repository_signs
from replication.states import LifeKind
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr("replication.messages.send", lambda *message: sent.append(message))
    monkeypatch.setattr(broker, "problem", lambda **_: "")
    return sent


@pytest.fixture
def job(tmp_path, hints):
    """In the repository "far", beside which there is "near"."""
    factories.repository("near", path=tmp_path / "near")
    far = factories.repository("far", path=tmp_path / "far")
    return factories.pending_job(factories.context(keep_in=far))


def worker(host: str, *, copies: bool = True) -> None:
    """A live one, and one that looks at repositories."""
    for queues in ["copies"] * copies + ["control"]:
        SignOfLife.objects.create(
            kind=LifeKind.WORKER,
            name=f"{host}:{len(queues)}",
            queues=queues,
            slots=2,
            version="1",
            started_at=Now(),
            seen_at=Now(),
        )


def look(host: str, repository, problem: str = "") -> None:
    RepositorySign.objects.create(
        repository=repository,
        host=host,
        looked_at=Now(),
        reached_at=None if problem else Now(),
        problem=problem,
    )


def troubles() -> list[str]:
    rows = (model.objects.all() for model in (SignOfLife, VCenterSign, RepositorySign))
    found = health(database_now(), Parts(*rows)).troubles
    return [each.what for each in found if each.repository_id]


def test_a_machine_uses_the_repositories_that_it_is_told(job, settings):
    settings.REPOSITORIES = frozenset({"near"})
    assert queue.claim_next() is None
    job.refresh_from_db()
    assert waiting_for(job) == "Waiting for a worker that has the repository far"
    repository_signs.look()
    (problem,) = RepositorySign.objects.filter(repository=job.repository).values_list("problem")
    assert "VMREP_REPOSITORIES" in problem[0]

    settings.REPOSITORIES = frozenset({str(job.repository.uuid)})
    assert queue.claim_next()[0].pk == job.pk


def test_a_job_that_another_machine_can_run_does_not_wait_for_anything(job, settings):
    settings.REPOSITORIES = frozenset({"near"})
    worker("elsewhere")
    look("elsewhere", job.repository)
    assert queue.claim_next() is None
    job.refresh_from_db()
    assert waiting_for(job) is None


def test_a_repository_that_no_machine_with_a_worker_has_is_told_of(job):
    """The one that reaches it runs no worker that copies."""
    worker("here")
    worker("there", copies=False)
    look("here", job.repository, "It is not mounted.")
    look("there", job.repository)
    assert any("No worker that copies has the repository far" in what for what in troubles())
    assert job.repository_id in Away.at(database_now()).repositories

    worker_of_there = SignOfLife.objects.get(name__startswith="there")
    worker_of_there.queues = "control,copies"
    worker_of_there.save()
    assert troubles() == []
    assert job.repository_id not in Away.at(database_now()).repositories


def test_what_a_machine_without_looks_reaches_is_not_known(job):
    worker("there", copies=False)
    look("there", job.repository)
    SignOfLife.objects.create(
        kind=LifeKind.WORKER,
        name="silent:1",
        queues="copies",
        slots=1,
        version="1",
        started_at=Now(),
        seen_at=Now(),
    )
    assert troubles() == []


def test_every_free_worker_is_asked_where_machines_have_different_repositories(job, hints):
    def jobs_hinted() -> int:
        hints.clear()
        tick._hint_jobs()
        return sum(message[0].endswith("run_next_job") for message in hints)

    worker("here")
    assert jobs_hinted() == 1
    worker("there")
    assert jobs_hinted() == 4
    SignOfLife.objects.filter(name__startswith="there").update(seen_at=Now() - timedelta(minutes=1))
    assert jobs_hinted() == 1
    assert leases.this_host() not in ("here", "there")
