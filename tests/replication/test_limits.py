"""Limits: what has no place waits and says for what, hides nobody, and begins when there is one;
each can be changed at any time."""

from __future__ import annotations

from functools import partial

import pytest
from django.db.models.functions import Now

from contexts.models import VMDisk
from replication.errors import LimitRefused
from replication.models import Limit, ReplicationJob, VMSnapshot
from replication.policies import services as policies
from replication.policies import settle
from replication.policies.services import Where
from replication.selectors import limits
from replication.selectors.limits import Resource
from replication.selectors.progress import waiting_for
from replication.services import finish, leases, places, queue
from replication.services.limits import set_limit
from replication.states import JobStatus, LimitKind, SnapshotState
from tests import factories
from tests.at_once import in_threads
from vmrep.trail.models import Event
from vmrep.web import job_words

VCENTERS, REPOSITORIES = Resource(LimitKind.VCENTER_JOBS), Resource(LimitKind.REPOSITORY_JOBS)


@pytest.fixture(autouse=True)
def nobody_listens(monkeypatch):
    for module in ("contexts.messages", "replication.messages"):
        monkeypatch.setattr(f"{module}.send", lambda *message: None)


@pytest.fixture
def repository(db, tmp_path):
    return factories.repository("vault", path=tmp_path / "repository")


def pending(name: str, repository, vcenter) -> ReplicationJob:
    return factories.pending_job(factories.context(name, at=vcenter, keep_in=repository))


def claimed() -> str | None:
    found = queue.claim_next()
    return found[0].vm_context.vm_name if found else None


def ends(vm_name: str) -> None:
    job = ReplicationJob.objects.get(source_vm_name=vm_name, status=JobStatus.RUNNING)
    lease = leases.Lease(job.vm_context_id, "job", job.leases.get().token)
    finish.failed(job.pk, "Over.", lease=lease)
    places.release_all(lease)
    leases.release(lease)


def test_a_vcenters_jobs_wait_say_so_and_hide_no_others(repository, monkeypatch):
    monkeypatch.setattr(queue, "LOOK_AT", 1)
    set_limit(VCENTERS, 1, actor="ops")
    full, free = factories.vcenter("Graz"), factories.vcenter("Linz")
    waiting = [pending(name, repository, full) for name in "abc"][1]
    pending("d", repository, free)
    assert [claimed() for _ in range(3)] == ["a", "d", None]

    waiting.refresh_from_db()
    words = "Waiting for a job of vCenter Graz to end: 1 of 1 are running"
    assert waiting_for(waiting) == job_words.doing(waiting) == words
    assert (waiting.waits_for_kind, waiting.waits_for) == ("vcenter_jobs", str(full.pk))
    seen = waiting.updated_at
    assert claimed() is None
    waiting.refresh_from_db()
    assert waiting.updated_at == seen, "told again without news"
    ends("a")
    assert [claimed(), claimed()] == ["b", None]
    waiting.refresh_from_db()
    assert (waiting.waits_for_kind, waiting.waits_for) == ("", "")


def test_a_limit_that_is_raised_lets_the_next_one_begin_and_its_own_counts_most(repository):
    vcenter = factories.vcenter("Graz")
    for name in "abcd":
        pending(name, repository, vcenter)
    set_limit(REPOSITORIES, 1, actor="ops")
    assert [claimed(), claimed()] == ["a", None]
    waiting = ReplicationJob.objects.filter(waits_for_kind="repository_jobs")
    assert waiting.count() == 3
    words = "Waiting for a job into repository vault to end: 1 of 1 are running"
    assert {job.current_operation for job in waiting} == {words}
    set_limit(limits.repository_jobs(repository.pk), 3, actor="ops")
    assert [claimed(), claimed(), claimed()] == ["b", "c", None]
    set_limit(limits.repository_jobs(repository.pk), None, actor="ops")
    ends("a")
    assert claimed() is None, "two are running, and one may"
    ends("b")
    ends("c")
    assert claimed() == "d"


@pytest.mark.django_db(transaction=True)
def test_a_limit_that_was_lowered_is_not_exceeded_by_many_at_once(tmp_path):
    """Below it are free numbers, as many as all of them want."""
    repository = factories.repository(path=tmp_path / "repository")
    vcenter = factories.vcenter("Graz")
    host = limits.host_sessions("esx-01:902")
    readers = []
    for name in "abcdef":
        pending(name, repository, vcenter)
        readers.append(queue.claim_next())
    set_limit(host, 6, actor="ops")
    held = [places.take(lease, job.pk, host) for job, lease in readers]
    set_limit(host, 4, actor="ops")
    for (_, lease), place in list(zip(readers, held, strict=True))[:3]:
        places.release(lease, place)
    takes = [partial(places.take, lease, job.pk, host) for job, lease in readers[:4]]
    assert len([place for place in in_threads(*takes) if place]) == 1
    assert limits.in_use(host) == 4


def test_snapshots_that_were_left_take_places_of_their_datastore(repository):
    vcenter = factories.vcenter("Graz")
    resource = limits.datastore_snapshots(vcenter.pk, "fast")
    set_limit(Resource(LimitKind.DATASTORE_SNAPSHOTS), 1, actor="ops")
    left = factories.failed_job(factories.context("left", at=vcenter, keep_in=repository))
    factories.snapshot_of(left, left.created_at)
    pending("wants", repository, vcenter)
    VMDisk.objects.update(datastore="fast")
    job, lease = queue.claim_next()
    assert limits.in_use(resource) == 1
    assert places.take_all(lease, job.pk, [resource]) == resource

    words = limits.sentence(resource)
    assert words == "Waiting for a snapshot to go from datastore fast: 1 of 1 are there"
    finish.wait_for_place(job.pk, words, resource=resource, lease=lease)
    places.release_all(lease)
    leases.release(lease)
    assert claimed() is None
    VMSnapshot.objects.update(state=SnapshotState.REMOVED, removed_at=Now())
    job, lease = queue.claim_next()
    assert resource in [place.resource for place in places.held(lease)]


def test_a_snapshot_that_is_there_is_counted_once_and_not_refused(repository):
    vcenter = factories.vcenter("Graz")
    one, two = (limits.datastore_snapshots(vcenter.pk, name) for name in ("fast", "slow"))
    set_limit(one, 1, actor="ops")
    set_limit(two, 1, actor="ops")
    for name in "ab":
        pending(name, repository, vcenter)
    (first, a), (second, b) = queue.claim_next(), queue.claim_next()
    VMDisk.objects.update(datastore="fast")
    assert places.take_all(b, second.pk, [two]) is None
    assert places.take_all(a, first.pk, [one, two]) == two
    assert limits.in_use(one) == 0, "all or none"
    factories.snapshot_of(first, first.created_at)
    assert limits.in_use(one) == 1
    assert places.take_all(a, first.pk, [one, two], is_there=True) is None
    assert (limits.in_use(one), limits.in_use(two)) == (1, 2)


@pytest.mark.parametrize(
    ("resource", "value"),
    [
        (VCENTERS, 0),
        (VCENTERS, 10_001),
        (limits.vcenter_jobs(4_000_000), 3),
        (limits.repository_jobs(4_000_000), 3),
        (limits.datastore_snapshots(4_000_000, "fast"), 3),
        *((Resource(kind, "x"), 3) for kind in LimitKind if kind != LimitKind.HOST_SESSIONS),
        (Resource(LimitKind.VCENTER_JOBS, "1:fast"), 3),
        (Resource(LimitKind.DATASTORE_SNAPSHOTS, "1"), 3),
        (Resource(LimitKind.REPOSITORY_JOBS, "9" * 40), 3),
    ],
)
def test_a_limit_that_means_nothing_is_refused(repository, resource, value):
    factories.vcenter()
    with pytest.raises(LimitRefused):
        set_limit(resource, value, actor="ops")
    assert not Limit.objects.exists()


def test_people_read_of_limits_by_their_names(repository):
    factories.vcenter()
    set_limit(VCENTERS, 3, actor="ops")
    assert Event.objects.get(kind="limit").object_name == "Jobs per vCenter: all others"
    with pytest.raises(LimitRefused, match="no resource of the limit “Jobs per vCenter”"):
        set_limit(Resource(LimitKind.VCENTER_JOBS, "x"), 3, actor="ops")


def test_a_vcenter_that_goes_takes_its_limits_with_it(db):
    vcenter = factories.vcenter()
    for resource in (
        limits.vcenter_jobs(vcenter.pk),
        limits.datastore_snapshots(vcenter.pk, "fast"),
    ):
        set_limit(resource, 3, actor="ops")
    set_limit(VCENTERS, 5, actor="ops")
    vcenter.delete()
    assert list(Limit.objects.values_list("kind", "value")) == [("vcenter_jobs", 5)]
    assert limits.limit(limits.vcenter_jobs(vcenter.pk)) == 5


def test_a_policy_that_lets_few_run_holds_up_its_own_whoever_started_them(repository):
    """Also when they were started by hand, or by two ticks at once, before any of them ran."""
    vcenter = factories.vcenter("Graz")
    gold = policies.add("Gold", {"most_running": 1}, actor="ops")
    policies.assign(gold, Where("name", pattern="gold-*"), actor="ops")
    for name in ("gold-a", "gold-b", "gold-c", "free"):
        pending(name, repository, vcenter)
    settle.tick()
    assert [claimed(), claimed(), claimed()] == ["gold-a", "free", None]
    waiting = ReplicationJob.objects.filter(waits_for_kind="policy_jobs", waits_for=str(gold.pk))
    words = "Waiting for a job of policy Gold to end: 1 of 1 are running"
    assert [waiting_for(job) for job in waiting] == [words] * 2
    ends("gold-a")
    assert [claimed(), claimed()] == ["gold-b", None]
    policies.change(gold, {"most_running": None}, actor="ops")
    assert [claimed(), claimed()] == ["gold-c", None]


def test_a_vm_that_gets_another_policy_waits_no_longer_for_the_first(repository):
    gold = policies.add("Gold", {"most_running": 1}, actor="ops")
    policies.assign(gold, Where("name", pattern="*"), actor="ops")
    vcenter = factories.vcenter("Graz")
    pending("a", repository, vcenter)
    other = pending("b", repository, vcenter)
    settle.tick()
    assert [claimed(), claimed()] == ["a", None]
    policies.set_own(other.vm_context, {"give_up_after_minutes": 60}, actor="ops")
    assert claimed() == "b"
    with pytest.raises(LimitRefused, match="said in the policy"):
        set_limit(limits.policy_jobs(gold.pk), 3, actor="ops")
