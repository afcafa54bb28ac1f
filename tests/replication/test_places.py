"""Places on ESXi hosts: all workers together keep the limit, and the dead give theirs back."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now

from replication.errors import ResourceFull
from replication.models import Place, ReplicationJob
from replication.scheduler import tick
from replication.selectors import limits
from replication.selectors.progress import waiting_for
from replication.services import finish, leases, places, queue
from replication.services.leases import Lease
from replication.states import JobStatus, LimitKind
from replication.sync.guard import Guard
from replication.sync.seats import Seats
from tests import factories
from tests.at_once import in_threads
from vmrep.web import job_words

HOST = limits.host_sessions("esx-01:902")
OTHER_HOST = limits.host_sessions("esx-02:902")
OF_HOSTS = LimitKind.HOST_SESSIONS
REASON = "Waiting for a place on host esx-01: 2 of 2 disk sessions in use"


@pytest.fixture(autouse=True)
def two_places(settings, monkeypatch):
    settings.DISKS_PER_HOST = 2
    for module in ("contexts.messages", "replication.messages"):
        monkeypatch.setattr(f"{module}.send", lambda *message: None)


@pytest.fixture
def repository(db, tmp_path):
    return factories.repository(path=tmp_path / "repository")


def reader(name: str, repository) -> tuple[ReplicationJob, Lease]:
    """A running job, and the lease that its worker holds."""
    factories.pending_job(factories.context(name, keep_in=repository))
    claimed = queue.claim_next()
    assert claimed is not None
    return claimed


def wait_for_host(job: ReplicationJob, lease: Lease) -> None:
    finish.wait_for_place(job.pk, REASON, resource=HOST, lease=lease)
    leases.release(lease)
    job.refresh_from_db()


def dies(lease: Lease) -> None:
    """As if its 40 seconds had passed."""
    Place.objects.filter(token=lease.token).update(expires_at=Now() - timedelta(seconds=1))


def test_a_host_has_so_many_places_and_each_comes_back(repository):
    (first, one), (second, two) = reader("a", repository), reader("b", repository)
    place = places.take(one, first.pk, HOST)
    assert place
    assert places.take(two, second.pk, HOST)
    assert places.take(one, first.pk, HOST) is None
    assert places.take(one, first.pk, OTHER_HOST)
    places.release(one, place)
    assert places.take(two, second.pk, HOST)


def test_the_places_of_a_worker_that_died_are_taken_over(repository):
    (first, one), (second, two) = reader("a", repository), reader("b", repository)
    for _ in range(2):
        places.take(one, first.pk, HOST)
    assert places.take(two, second.pk, HOST) is None
    dies(one)
    assert places.take(two, second.pk, HOST)
    assert Place.objects.filter(token=one.token, kind=OF_HOSTS).count() == 1
    tick.places.forget_expired()
    assert not Place.objects.filter(token=one.token).exists()
    assert [place.resource for place in places.held(two, OF_HOSTS)] == [HOST]


def test_a_guard_renews_them_with_its_lease(repository):
    job, lease = reader("a", repository)
    places.take(lease, job.pk, HOST)
    dies(lease)
    with Guard(lease):
        assert limits.in_use(HOST) == 1


def test_nobody_takes_one_under_a_lost_lease(repository):
    job, lease = reader("a", repository)
    leases.release(lease)
    with pytest.raises(leases.LeaseLost):
        places.take(lease, job.pk, HOST)


def test_a_job_that_waits_says_for_what_and_is_claimed_when_there_is_one(repository):
    (first, one), (second, two) = reader("a", repository), reader("b", repository)
    held = [places.take(one, first.pk, HOST) for _ in range(2)]
    wait_for_host(second, two)
    assert (second.status, second.fruitful_attempts) == (JobStatus.PENDING, 1)
    assert waiting_for(second) == job_words.doing(second) == REASON
    assert job_words.is_held_up(second)
    assert queue.claim_next() is None

    assert held[0] is not None
    places.release(one, held[0])
    claimed = queue.claim_next()
    assert claimed is not None
    assert claimed[0].pk == second.pk
    assert claimed[0].waits_for_kind == ""
    assert [place.resource for place in places.held(claimed[1], OF_HOSTS)] == [HOST]


def test_it_looks_now_and_then_whether_its_vm_was_moved(repository):
    (first, one), (second, two) = reader("a", repository), reader("b", repository)
    for _ in range(2):
        places.take(one, first.pk, HOST)
    wait_for_host(second, two)
    ReplicationJob.objects.filter(pk=second.pk).update(next_attempt_at=Now())
    claimed = queue.claim_next()
    assert claimed is not None
    assert (claimed[0].pk, places.held(claimed[1], OF_HOSTS)) == (second.pk, [])


def test_the_oldest_waiting_job_comes_first(repository):
    first, one = reader("a", repository)
    others = [reader(name, repository) for name in "bc"]
    held = [places.take(one, first.pk, HOST) for _ in range(2)]
    for job, lease in reversed(others):
        wait_for_host(job, lease)
    assert held[0] is not None
    places.release(one, held[0])
    claimed = queue.claim_next()
    assert claimed is not None
    assert claimed[0].pk == others[0][0].pk
    assert queue.claim_next() is None


def test_a_job_that_can_continue_without_leaves_places_to_those_that_wait(repository):
    (first, one), (second, two) = reader("a", repository), reader("b", repository)
    assert places.take(one, first.pk, HOST)
    wait_for_host(second, two)
    assert places.take(one, first.pk, HOST, is_extra=True) is None
    ReplicationJob.objects.filter(pk=second.pk).update(waits_for_kind="", waits_for="")
    assert places.take(one, first.pk, HOST, is_extra=True)


def test_a_cancelled_or_given_up_job_waits_for_nothing(repository):
    job, lease = reader("a", repository)
    wait_for_host(job, lease)
    ReplicationJob.objects.update(started_at=Now() - timedelta(hours=25))
    claimed = queue.claim_next()
    assert claimed is not None
    finish.wait_for_place(job.pk, REASON, resource=HOST, lease=claimed[1])
    job.refresh_from_db()
    assert (job.status, job.waits_for_kind) == (JobStatus.FAILED, "")
    assert job.error_message == f"Given up after 24 hours. {REASON}"


def test_a_place_follows_the_vm_to_another_host(repository):
    job, lease = reader("a", repository)
    seats = Seats(lease, job)
    with seats.one() as seat:
        seat.require(HOST.key)
        seat.require("esx-02:902", "esx-02")
    assert (limits.in_use(HOST), limits.in_use(OTHER_HOST)) == (0, 1)
    # Where there is none, it keeps nothing that another needs: the attempt ends.
    other, its = reader("b", repository)
    for _ in range(2):
        places.take(its, other.pk, HOST)
    with pytest.raises(ResourceFull, match="place on host esx-01: 2 of 2 disk sessions in use"):
        seat.require(HOST.key, "esx-01")


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_never_exceed_the_limit(tmp_path):
    repository = factories.repository(path=tmp_path / "repository")
    readers = [reader(name, repository) for name in "abcdef"]
    takes = [partial(places.take, lease, job.pk, HOST) for job, lease in readers]
    taken = [place for place in in_threads(*takes) if place]
    assert len({place.key for place in taken}) == 2
    assert limits.in_use(HOST) == 2
