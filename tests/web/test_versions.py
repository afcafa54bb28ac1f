"""Every kind of change is seen by the next poll, whoever made it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.db import connection, connections
from django.db.models.functions import Now
from django.utils import timezone

from contexts.models import (
    ContextEvent,
    ContextEventHead,
    DiscoveredVM,
    Discovery,
    VCenter,
    VMContext,
    VMDisk,
    VMNetworkAdapter,
)
from contexts.services import discovery, management, refresh, statuses
from contexts.states import DiscoveryStatus
from replication.models import (
    BandwidthWindow,
    BulkAction,
    BulkItem,
    CBTHistory,
    ContextLease,
    DiskImage,
    EffectivePolicy,
    GroupRun,
    GroupRunMember,
    ImageDamage,
    ImageMerge,
    Incident,
    Installation,
    IntegrityFinding,
    IntegrityRun,
    JobLogLine,
    JobSample,
    JobStep,
    Limit,
    Occurrence,
    Pause,
    Place,
    PointRemoval,
    PointSnapshot,
    PointVerification,
    Policy,
    PolicyScope,
    PolicyTaking,
    PolicyWindow,
    ProtectionSpell,
    RecoveryPoint,
    RecoveryPointHold,
    ReplicaManifest,
    ReplicationJob,
    Repository,
    RepositorySign,
    RepositorySpace,
    SignOfLife,
    Tally,
    VCenterSign,
    VerificationDamage,
    VMGroup,
    VMGroupMember,
    VMSchedule,
    VMSnapshot,
)
from replication.policies import services
from replication.policies.services import Where
from replication.services import cancel, job_log, removal
from replication.states import (
    HoldKind,
    IntegrityOutcome,
    JobStatus,
    SnapshotState,
    StepName,
    StepStatus,
)
from tests import factories
from tests.web.test_polling import Poller
from vmrep.notifications.models import Channel, Delivery, Rule, RuleKind
from vmrep.web import versions
from vmrep.web.models import SavedView

DONE, BUSY = "pgtest1", "pgtest2"  # a VM with a recovery point, and one in the middle of a job


LOOK = 30  # queries


class Kind(NamedTuple):
    """A change of rows of `model`, and a page that shows it: all pages of VMs and jobs, or
    the one of discoveries, too."""

    name: str
    model: Any
    change: Callable[[], object]
    on_discovery: bool = False


def vm(name: str = DONE) -> VMContext:
    return VMContext.objects.get(vm_name=name)


def busy_job() -> ReplicationJob:
    return ReplicationJob.objects.get(status=JobStatus.RUNNING)


def _set(rows: Any, **columns: object) -> None:
    assert rows.update(**columns)


def _refresh(**record: Any) -> None:
    context = vm()
    refresh.refresh(
        [(context, factories.vm_record(DONE, instance_uuid=context.vmware_vm_id, **record))]
    )


def _old_step_ends() -> None:
    """Of a job whose step has run for so long that many others have begun since."""
    _set(
        JobStep.objects.filter(job=busy_job(), status=StepStatus.RUNNING),
        status=StepStatus.COMPLETED,
        completed_at=Now(),
    )


def _many_steps() -> None:
    job = ReplicationJob.objects.get(status=JobStatus.COMPLETED)
    JobStep.objects.bulk_create(
        JobStep(
            job=job,
            attempt=attempt,
            name=StepName.PREPARE,
            status=StepStatus.COMPLETED,
            started_at=timezone.now(),
            completed_at=timezone.now(),
        )
        for attempt in range(2, versions.WATCHED + 3)
    )


KINDS = (
    Kind("a VM is taken", VMContext, lambda: factories.context("new"), True),
    Kind("a VM leaves management", VMContext, lambda: management.release(vm(), actor="x"), True),
    Kind(
        "a VM is renamed",
        VMContext,
        lambda: _set(VMContext.objects.filter(vm_name=DONE), vm_name="x", updated_at=Now()),
        True,
    ),
    Kind("a job is asked for", ReplicationJob, lambda: factories.pending_job(vm()), True),
    Kind("a job fails", ReplicationJob, lambda: factories.failed_job(vm())),
    Kind(
        "a job makes progress",
        ReplicationJob,
        lambda: _set(
            ReplicationJob.objects.filter(status=JobStatus.RUNNING),
            bytes_transferred=9 * factories.MIB,
            updated_at=Now(),
        ),
    ),
    Kind("cancelling is asked for", ReplicationJob, lambda: cancel.cancel(busy_job(), actor="x")),
    Kind(
        "an ended job is deleted",
        ReplicationJob,
        lambda: ReplicationJob.objects.filter(status=JobStatus.CANCELLED).delete(),
    ),
    Kind(
        "a step begins",
        JobStep,
        lambda: JobStep.objects.create(
            job=busy_job(), attempt=1, name=StepName.VERIFY, started_at=Now()
        ),
    ),
    Kind("a step ends that began long ago", JobStep, _old_step_ends),
    Kind(
        "a disk makes progress",
        DiskImage,
        lambda: _set(DiskImage.objects.filter(job=busy_job()), transferred_bytes=9),
    ),
    Kind(
        "a recovery point expires",
        RecoveryPoint,
        lambda: _set(RecoveryPoint.objects.all(), state="expiring"),
    ),
    Kind(
        "a recovery point is found damaged",
        RecoveryPoint,
        lambda: _set(RecoveryPoint.objects.all(), damaged_at=Now(), damage="x"),
    ),
    Kind(
        "a repository is away",
        RepositorySign,
        lambda: RepositorySign.objects.create(
            repository=Repository.objects.first(), host="x", looked_at=Now(), problem="x"
        ),
        True,
    ),
    Kind(
        "a policy changes",
        Policy,
        lambda: services.add("Gold", {}, actor="x"),
        True,
    ),
    Kind(
        "a policy that is in effect somewhere changes",
        Installation,
        lambda: services.change(services.default_policy(), {"priority": "high"}, actor="x"),
        True,
    ),
    Kind(
        "a policy is given to a VM",
        PolicyScope,
        lambda: services.assign(services.default_policy(), Where("vm", vm_context=vm()), actor="x"),
        True,
    ),
    Kind(
        "a replica is deleted",
        RecoveryPoint,
        lambda: removal.delete_replica_data(vm(), actor="x", confirm_vm_name=DONE),
    ),
    Kind("a recovery point comes", CBTHistory, lambda: factories.completed_job(vm())),
    Kind(
        "a recovery point is held",
        RecoveryPointHold,
        lambda: RecoveryPointHold.objects.create(
            recovery_point=RecoveryPoint.objects.get(), kind=HoldKind.PIN, owner="x"
        ),
    ),
    Kind(
        "a snapshot cannot be removed",
        VMSnapshot,
        lambda: _set(
            VMSnapshot.objects.filter(state=SnapshotState.CREATED), problem="x", updated_at=Now()
        ),
    ),
    Kind(
        "something happened",
        ContextEvent,
        lambda: statuses.record_event(vm().pk, why="x", actor="x", job_id=None),
        True,
    ),
    Kind("a disk grows", VMDisk, lambda: _refresh(disks=[factories.disk_record(capacity_bytes=1)])),
    Kind(
        "an adapter is in another network",
        VMNetworkAdapter,
        lambda: _refresh(networks=[factories.nic_record(network_name="x")]),
    ),
    Kind("a job says something", JobLogLine, lambda: job_log.write(busy_job().pk, 1, "x")),
    Kind(
        "a job's rate is sampled",
        JobSample,
        lambda: JobSample.objects.create(
            job=busy_job(), attempt=1, at=Now(), seconds=2, bytes_transferred=9, bytes_per_second=4
        ),
    ),
    Kind("a vCenter is added", VCenter, lambda: factories.vcenter(), True),
    Kind(
        "a vCenter is renamed",
        VCenter,
        lambda: _set(VCenter.objects.filter(contexts=vm()), name="x", updated_at=Now()),
        True,
    ),
    Kind("a repository is added", Repository, lambda: factories.repository(), True),
    Kind(
        "a discovery is asked for",
        Discovery,
        lambda: discovery.request(vm(BUSY).vcenter, actor="x"),
        True,
    ),
    Kind(
        "a discovery goes on",
        Discovery,
        lambda: _set(Discovery.objects.all(), vms_seen=9, updated_at=Now()),
        True,
    ),
    Kind(
        "a VM is gone",
        DiscoveredVM,
        lambda: _set(DiscoveredVM.objects.filter(vm_name=DONE), gone_at=Now()),
        True,
    ),
    Kind(
        "a gone VM is back",
        DiscoveredVM,
        lambda: _set(DiscoveredVM.objects.filter(vm_name="gone"), gone_at=None),
        True,
    ),
    Kind(
        "a VM is said to be another one",
        DiscoveredVM,
        lambda: _set(DiscoveredVM.objects.filter(vm_name=DONE), identity_rejected_at=Now()),
        True,
    ),
    Kind(
        "the integrity check ends",
        IntegrityRun,
        lambda: _set(IntegrityRun.objects.all(), outcome=IntegrityOutcome.OK, completed_at=Now()),
        True,
    ),
)
_IN_THE_STATUS = "what is alive has versions of its own (tests/web/test_health.py)"
_ON_ITS_PAGE = "its page has a version of its own (tests/web/test_notifications.py, test_events.py)"
NOT_SHOWN = {
    **dict.fromkeys((Channel, Rule, RuleKind, Delivery), _ON_ITS_PAGE),
    PointRemoval: "its VM changes with it",
    ImageMerge: "the removal tells how it goes on",
    PointVerification: "its VM changes with it",
    VerificationDamage: "it is written with its verification's progress",
    ImageDamage: "the recovery points that need the image tell",
    SignOfLife: _IN_THE_STATUS,
    VCenterSign: _IN_THE_STATUS,
    Incident: _IN_THE_STATUS,
    Occurrence: _ON_ITS_PAGE,
    RepositorySpace: "its page does not change by itself",
    ReplicaManifest: "no page shows it",
    ContextEventHead: "no page shows it",
    Tally: "no page shows it",
    ProtectionSpell: "pages compute the state from the clock",
    ContextLease: "who works at a VM is told by its job",
    **dict.fromkeys((BandwidthWindow, Limit, Place), "its page has a version of its own"),
    PointSnapshot: "they are written with their recovery point",
    PolicyWindow: "they are written with their policy",
    EffectivePolicy: "it changes its VM",
    VMSchedule: "pages that show it are made anew each minute",
    Pause: "its page does not change by itself; others are made anew each minute",
    **dict.fromkeys((BulkAction, BulkItem), "their pages have a version of their own"),
    **dict.fromkeys(
        (VMGroup, VMGroupMember, GroupRun, GroupRunMember),
        "their page has a version of its own (tests/web/test_groups.py)",
    ),
    SavedView: "menus show them when a page is made anew",
    PolicyTaking: "the VMs that are taken tell",
    IntegrityFinding: "they are written with the end of their run",
}


@pytest.fixture
def estate(db, tmp_path):
    repository = factories.repository(path=tmp_path)
    factories.completed_job(factories.context(DONE, keep_in=repository))
    factories.cancelled_job(factories.context("cancelled"))
    ReplicationJob.objects.filter(status=JobStatus.CANCELLED).update(
        created_at=timezone.now() - timedelta(days=1)
    )
    factories.running_job(factories.context(BUSY))
    _many_steps()
    factories.discovery(vm().vcenter, DiscoveryStatus.RUNNING)
    factories.discovered_vm("gone")
    DiscoveredVM.objects.filter(vm_name="gone").update(gone_at=Now())
    IntegrityRun.objects.create(
        requested_by="x", outcome=IntegrityOutcome.RUNNING, started_at=Now()
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_change_is_news(estate, kind):
    before = versions.of_replication().facts, versions.of_discovery(None).facts
    assert (versions.of_replication().facts, versions.of_discovery(None).facts) == before
    kind.change()
    assert versions.of_replication().facts != before[0]
    if kind.on_discovery:
        assert versions.of_discovery(None).facts != before[1]


def test_every_table_has_a_kind_of_change_or_a_reason_why_not():
    tables = {
        model
        for label in ("contexts", "replication", "notifications", "web")
        for model in apps.get_app_config(label).get_models()
    }
    assert tables - {kind.model for kind in KINDS} == set(NOT_SHOWN)


def test_the_end_of_an_integrity_check_is_news_on_its_page(estate):
    before = versions.of_integrity().facts
    KINDS[-1].change()
    assert versions.of_integrity().facts != before


def test_a_look_at_the_facts_takes_as_many_queries_with_many_rows(
    estate, django_assert_num_queries
):
    with django_assert_num_queries(LOOK):
        versions.of_replication()
    for _ in range(5):
        factories.completed_job(factories.context())
    with django_assert_num_queries(LOOK):
        versions.of_replication()


def test_what_was_read_a_moment_ago_is_remembered(estate, monkeypatch, django_assert_num_queries):
    versions.of_replication()
    monkeypatch.setattr("vmrep.web.versions.FRESH_SECONDS", 3600)
    with django_assert_num_queries(0):
        versions.of_replication()


def test_a_fingerprint_is_not_found_by_trying(settings):
    """Of how much there is of all VMs: without the installation's key nobody makes it."""
    before = versions._fingerprint([1, 2])
    settings.SECRET_KEY = "another key of another installation"
    assert versions._fingerprint([1, 2]) != before


def test_what_a_browser_says_that_it_shows_is_not_trusted():
    version = versions.Version("0123", 1_000_000_060)
    assert version.is_shown_by("0123.1000000060")
    assert version.is_shown_by("0123.1000000001")
    for other in ("", ".", "0123", "0123.", "0123.x", "0123.-1", "4567.1000000060"):
        assert not version.is_shown_by(other), other
    assert not version.is_shown_by("0123.1000000000"), "a minute old"
    assert not version.is_shown_by("0123.1000000061"), "from the future"
    assert not version.is_shown_by("0123." + "9" * 5000)


@pytest.mark.django_db(transaction=True)
def test_a_change_by_another_process_is_seen_by_the_next_poll(web):
    context = factories.context()
    page = Poller(web, "/virtual-machines/")
    assert page.poll() == 204
    code = (
        "import sys, django; from django.conf import settings; django.setup();"
        "settings.DATABASES['default']['NAME'] = sys.argv[1];"
        "from contexts.models import VMContext; from django.db.models.functions import Now;"
        "VMContext.objects.filter(pk=sys.argv[2])"
        ".update(vm_name='told by another', updated_at=Now())"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(connection.settings_dict["NAME"]), context.pk],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "vmrep.settings"},
        check=True,
    )
    assert page.poll() == 200
    assert "told by another" in page.part
    assert page.poll() == 204


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_began_earlier_and_ends_later_is_news(web):
    early, late = factories.context("early"), factories.context("late")
    page = Poller(web, "/virtual-machines/")
    slow = connections.create_connection("default")
    try:
        slow.set_autocommit(False)
        with slow.cursor() as cursor:
            cursor.execute(
                "UPDATE vm_replication_contexts SET vm_name = 'was slow', updated_at = now()"
                " WHERE context_id = %s",
                [early.pk],
            )
        _set(VMContext.objects.filter(pk=late.pk), vm_name="was fast", updated_at=Now())
        assert page.poll() == 200
        assert page.poll() == 204
        slow.commit()
    finally:
        slow.close()
    assert page.poll() == 200
    assert "was slow" in page.part
