"""What pages say of a VM's next run, of what holds it up, and of a target that will be exceeded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from contexts.clock import database_now
from contexts.models import VMContext
from replication.models import Pause, ReplicationJob, VMSchedule
from replication.policies import services, settle
from replication.scheduler import dates
from replication.states import JobStatus, Trigger
from tests import factories
from tests.web.conftest import text

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def vm(settings, tmp_path) -> VMContext:
    vm = factories.context("web-01", keep_in=factories.repository(path=tmp_path / "repository"))
    factories.completed_job(vm, consistent_at=timezone.now() - 10 * MINUTE)
    services.set_own(vm, services.target(3600), actor="ops")
    settle.tick()
    dates.tick()
    return vm


def table(web) -> str:
    return " ".join(text(web.get(reverse("virtual-machines"))).split())


def panel(web, vm: VMContext) -> str:
    return " ".join(text(web.get(f"{reverse('virtual-machines')}?vm={vm.pk}")).split())


def test_the_table_and_the_panel_say_when_it_is_next_and_what_it_waits_for(web, vm):
    VMSchedule.objects.update(due_at=Now() + timedelta(minutes=12, seconds=30))
    assert ">in 12 m</time>" in table(web)
    VMSchedule.objects.update(due_at=Now() - MINUTE, held_up="vCenter <b>Graz</b> has enough")
    page = table(web)
    assert ">due</time>" in page
    assert "vCenter &lt;b&gt;Graz&lt;/b&gt; has enough</div>" in page
    assert "UTC: vCenter &lt;b&gt;Graz&lt;/b&gt; has enough" in panel(web, vm)
    sorted_page = web.get(reverse("virtual-machines"), {"sort": "next_run"})
    assert sorted_page.status_code == 200


def test_a_breach_that_is_expected_is_said_with_its_reason(web, vm):
    at = database_now() + 20 * MINUTE
    VMSchedule.objects.update(breach_expected_at=at, breach_why="vCenter Graz does not answer")
    assert "Soon over" in table(web)
    page = panel(web, vm)
    assert "Expected to go over its target <time" in page
    assert "UTC: vCenter Graz does not answer." in page
    VMSchedule.objects.update(breach_expected_at=database_now() - MINUTE)
    assert "Soon over" not in panel(web, vm), "it is over it by now, which is said already"


def test_whether_its_target_can_be_kept_is_said_in_words(web, vm):
    unknown = "Whether a target can be kept is not known yet: needs 3 incremental replications"
    assert unknown in panel(web, vm)
    VMSchedule.objects.update(
        changed_per_second=18 * (1 << 30) / 3600,
        bytes_per_second=40 << 20,
        overhead_seconds=3600,
        wait_seconds=0,
    )
    assert "1 h cannot be kept: 18 GiB/h at 40 MiB/s needs 2 h 17 min" in panel(web, vm)


def test_a_job_that_waits_for_the_end_of_a_pause_says_so_everywhere(web, vm):
    job = factories.pending_job(vm, trigger=Trigger.SCHEDULE, requested_by="schedule")
    until = database_now() + 90 * MINUTE
    Pause.objects.create(kind="vcenter", vcenter=vm.vcenter, paused_by="ops", until=until)
    words = f"vCenter {vm.vcenter} is paused by ops until {until:%Y-%m-%d %H:%M} UTC"
    page = " ".join(text(web.get(reverse("job", args=[job.pk]))).split())
    assert f"It begins when the pause ends: {words}." in page
    assert words in panel(web, vm)
    assert "Paused" in table(web)
    assert "Paused" in text(web.get(reverse("jobs")))
    by_hand = {"trigger": Trigger.MANUAL, "status": JobStatus.PENDING}
    ReplicationJob.objects.filter(pk=job.pk).update(**by_hand)
    assert "It begins when the pause ends" not in text(web.get(reverse("job", args=[job.pk])))


def test_a_calendar_is_said_in_words(web):
    nightly = {"rpo_kind": "calendar", "cron": "30 2 * * MON-FRI", "time_zone": "Europe/Berlin"}
    policy = services.add("Nightly", nightly, actor="ops")
    said = "At 02:30 on Monday through Friday"
    assert f"a{said[1:]} (30 2 * * MON-FRI, Europe/Berlin), at most 1 h late" in text(
        web.get(reverse("policies"))
    )
    assert f"{said}. Minute, hour," in text(web.get(reverse("policy", args=[policy.pk])))


def test_the_page_of_a_repository_says_it(web, tmp_path):
    repository = factories.repository(path=tmp_path / "repository")
    page = web.get(f"/repositories/{repository.pk}/").content.decode()
    assert "not known yet: it takes a day of replications" in page
