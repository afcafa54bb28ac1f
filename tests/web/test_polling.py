"""Polls: 204 while nothing changed, the live part when something did, at a pace that fits."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import Discovery, VMContext
from contexts.states import DiscoveryStatus
from replication.models import JobStep, ReplicationJob
from replication.services import start
from replication.states import StepStatus, Trigger
from tests import factories
from tests.web.conftest import HTMX, text


class Poller:
    """A browser that shows a page and asks for it again."""

    def __init__(self, web, address: str) -> None:
        self._web, self._address = web, address
        self.part = text(web.get(address))

    def attribute(self, name: str) -> str:
        found = re.search(rf'id="live"[^>]* data-{name}="([^"]*)"', self.part)
        assert found
        return found[1]

    def poll(self) -> int:
        headers = {**HTMX, "X-Vmrep-Version": self.attribute("version")}
        answer = self._web.get(self._address, headers=headers)
        if answer.status_code == 200:
            self.part = text(answer)
        return int(answer.status_code)


@pytest.fixture(autouse=True)
def one_minute(monkeypatch):
    """A page is never older than a minute: no test may run into the next one."""
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


@pytest.fixture
def poller(web):
    return lambda address: Poller(web, address)


@pytest.mark.parametrize("address", ["/virtual-machines/", "/jobs/", "/discovery/", "/vcenters/"])
def test_nothing_new_is_204_without_a_body(poller, address):
    factories.completed_job(factories.context())
    page = poller(address)
    assert page.poll() == 204
    assert page.poll() == 204


def test_the_list_of_vcenters_follows_a_discovery(poller):
    vcenter = factories.vcenter("graz")
    page = poller("/vcenters/")
    assert "never" in page.part
    run = factories.discovery(vcenter, DiscoveryStatus.RUNNING, vms_seen=12)
    assert page.poll() == 200
    assert "12 VMs" in page.part
    Discovery.objects.filter(pk=run.pk).update(vms_seen=13, updated_at=timezone.now())
    assert page.poll() == 200
    assert "13 VMs" in page.part


def test_a_plain_request_is_never_204(web, poller):
    version = poller("/virtual-machines/").attribute("version")
    answer = web.get("/virtual-machines/", headers={"X-Vmrep-Version": version})
    assert answer.status_code == 200


def test_a_started_job_is_news(poller):
    context = factories.context()
    page = poller("/virtual-machines/")
    factories.pending_job(context)
    assert page.poll() == 200
    assert "Replicating" in page.part
    assert page.poll() == 204


def test_progress_is_news(poller):
    job = factories.running_job(factories.context())
    page = poller(f"/jobs/{job.pk}/")
    ReplicationJob.objects.filter(pk=job.pk).update(bytes_transferred=16 * factories.MIB)
    job.images.update(transferred_bytes=16 * factories.MIB)
    assert page.poll() == 200
    assert "50 %" in page.part


def test_a_step_that_ends_after_the_job_is_news(poller):
    job = factories.completed_job(factories.context())
    page = poller(f"/jobs/{job.pk}/")
    step = JobStep.objects.filter(job=job).latest("id")
    JobStep.objects.filter(pk=step.pk).update(status=StepStatus.WARNING)
    assert page.poll() == 200


def test_the_end_of_a_job_is_news_whatever_the_clocks_say(poller):
    """On PostgreSQL a row may get an `updated_at` that is older than the newest one."""
    context, other = factories.context(), factories.context()
    page = poller("/virtual-machines/")
    newest = VMContext.objects.get(pk=other.pk).updated_at
    factories.cancelled_job(context)
    VMContext.objects.update(updated_at=newest)
    assert page.poll() == 200


def test_the_next_minute_is_news_because_ages_grow(poller, monkeypatch):
    page = poller("/virtual-machines/")
    later = timezone.now() + timedelta(minutes=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)
    assert page.poll() == 200


def test_it_asks_often_also_while_nothing_runs_so_that_an_event_is_seen_soon(poller):
    context = factories.context()
    page = poller("/virtual-machines/")
    assert page.attribute("poll-seconds") == "2"
    job = start.start(context, trigger=Trigger.MANUAL, requested_by="ops")
    assert page.poll() == 200
    assert page.attribute("poll-seconds") == "2"
    assert poller(f"/jobs/{job.pk}/").attribute("poll-seconds") == "2"


def test_a_discovery_is_followed(poller):
    vcenter = factories.vcenter()
    page = poller("/discovery/")
    assert page.attribute("poll-seconds") == "2"
    run = factories.discovery(vcenter, DiscoveryStatus.RUNNING, vms_seen=5, vms_total=12)
    assert page.poll() == 200
    assert "5 VMs of 12" in page.part
    assert page.attribute("poll-seconds") == "2"
    Discovery.objects.filter(pk=run.pk).update(vms_seen=7)
    assert page.poll() == 200


def test_a_poll_without_news_costs_the_login_only(web, django_assert_num_queries, monkeypatch):
    """As long as the process remembers what it read a moment ago."""
    monkeypatch.setattr("vmrep.web.versions.FRESH_SECONDS", 3600)
    for _ in range(3):
        factories.running_job(factories.context())
    page = Poller(web, "/virtual-machines/")
    headers = {**HTMX, "X-Vmrep-Version": page.attribute("version")}
    with django_assert_num_queries(2):
        assert web.get("/virtual-machines/", headers=headers).status_code == 204
