"""Starting a replication."""

import pytest

from contexts.errors import AmbiguousVM, NotManaged, UnknownVCenter, UnknownVM
from contexts.models import ContextEvent, VMContext
from contexts.services import management
from contexts.states import ContextStatus
from replication.errors import AlreadyRunning, NoRepository
from replication.models import ReplicationJob, Repository
from replication.services import start
from replication.states import JobStatus
from tests import factories
from tests.at_once import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def test_it_creates_links_and_counts_the_job():
    context = factories.context()
    job = start.start(context, trigger="manual", requested_by="ops")
    context.refresh_from_db()
    assert context.current_job == job
    assert context.current_status == ContextStatus.REPLICATING
    assert context.total_jobs_run == 1
    assert context.first_job_at == context.last_job_at is not None
    assert (job.status, job.source_vm_id) == (JobStatus.PENDING, context.vmware_vm_id)
    event = ContextEvent.objects.filter(job=job).get()
    assert (event.old, event.new, event.actor) == ("discovered", "replicating", "ops")


def test_the_message_goes_out_after_the_commit(django_capture_on_commit_callbacks, hints):
    context = factories.context()
    with django_capture_on_commit_callbacks(execute=True):
        start.start(context, trigger="manual", requested_by="ops")
        assert hints == []
    assert hints == [("replication.tasks.run_next_job",)]


def test_a_second_start_is_refused_and_names_the_running_job():
    context = factories.context()
    job = start.start(context, trigger="manual", requested_by="ops")
    with pytest.raises(AlreadyRunning) as refusal:
        start.start(context, trigger="manual", requested_by="ops")
    assert refusal.value.job == job
    assert job.pk in str(refusal.value)


def test_a_vm_that_is_not_managed_is_refused():
    context = management.release(factories.context(), actor="ops")
    with pytest.raises(NotManaged):
        start.start(context, trigger="manual", requested_by="ops")


def test_a_vm_without_repository_is_refused():
    context = factories.context()
    VMContext.objects.update(repository=None)
    with pytest.raises(NoRepository):
        start.start(context, trigger="manual", requested_by="ops")


def start_by_name(vm_name: str, vcenter_host: str) -> ReplicationJob:
    return start.start_for_vm(
        factories.findable(),
        keep_in=Repository.objects.all(),
        vm_name=vm_name,
        vcenter_host=vcenter_host,
        trigger="api",
        requested_by="ops",
    )


def test_by_name_and_host_it_finds_the_context():
    context = factories.context("web-01")
    job = start_by_name("web-01", context.vcenter.host)
    assert job.vm_context == context


def test_by_name_and_host_it_takes_a_vm_that_was_only_discovered():
    repository = factories.repository()
    vm = factories.discovered_vm("web-01")
    job = start_by_name("web-01", vm.vcenter.host)
    assert job.vm_context.vmware_vm_id == vm.vmware_vm_id
    assert job.repository == repository


def test_an_ambiguous_name_is_refused_with_the_candidates():
    one = factories.context("web")
    other = factories.context("web", at=one.vcenter)
    with pytest.raises(AmbiguousVM) as refusal:
        start_by_name("web", one.vcenter.host)
    assert {it["vmware_vm_id"] for it in refusal.value.candidates} == {
        one.vmware_vm_id,
        other.vmware_vm_id,
    }


def test_a_name_that_a_managed_and_a_discovered_vm_share_is_refused():
    one = factories.context("web")
    factories.discovered_vm("web", at=one.vcenter)
    with pytest.raises(AmbiguousVM):
        start_by_name("web", one.vcenter.host)


def test_an_unknown_vm_or_vcenter_is_refused():
    host = factories.vcenter().host
    with pytest.raises(UnknownVM):
        start_by_name("nobody", host)
    with pytest.raises(UnknownVCenter):
        start_by_name("nobody", "elsewhere")


@pytest.mark.django_db(transaction=True)
def test_of_many_starts_at_once_one_wins_and_the_others_are_told_who():
    context = factories.context()

    def ask() -> object:
        try:
            return start.start(context, trigger="manual", requested_by="ops").pk
        except AlreadyRunning as refusal:
            return refusal

    outcomes = in_threads(*[ask] * 8)
    job = ReplicationJob.objects.get()
    assert outcomes.count(job.pk) == 1
    refusals = [it for it in outcomes if it != job.pk]
    assert len(refusals) == 7
    assert all(refusal.job == job for refusal in refusals)
