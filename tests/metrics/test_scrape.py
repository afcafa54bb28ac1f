"""What a scrape says, to whom, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from replication.models import RepositorySign, RepositorySpace, VCenterSign
from replication.services import tallies
from replication.services.tallies import Answers
from replication.states import TallyKind
from tests import factories
from vmrep import __version__
from vmrep.metrics import catalogue
from vmrep.metrics.catalogue import METRICS

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
ROOT = Path(__file__).resolve().parents[2]
HOSTILE = 'a"} 1\nvmrep_vms{x="\\'


def values(family: Any) -> dict[tuple[str, ...], float]:
    """By the values of the labels, in the order of the catalogue."""
    names = METRICS[family.name].labels
    return {tuple(s.labels[name] for name in names): s.value for s in family.samples}


def estate() -> Any:
    """A VM of every kind of figure; returns that which is over its target."""
    repository, now = factories.repository("srv"), timezone.now()
    at = factories.vcenter("vc")
    late = factories.context(HOSTILE, at=at, keep_in=repository)
    factories.completed_job(late, consistent_at=now - timedelta(hours=3))
    factories.failed_job(late)
    type(late).objects.filter(pk=late.pk).update(rpo_target_seconds=3600)
    fresh = factories.context("fresh", at=at, keep_in=repository)
    factories.completed_job(fresh, consistent_at=now - timedelta(minutes=1))
    type(fresh).objects.filter(pk=fresh.pk).update(rpo_target_seconds=None)
    factories.pending_job(factories.context("bare", at=at, keep_in=repository))
    factories.everything_lives()
    factories.sign_of_life("worker", "copies", name="dead:1", seconds_ago=600)
    sign = {"host": "x", "looked_at": now, "reached_at": now}
    VCenterSign.objects.create(vcenter=at, answer_seconds=0.25, **sign)
    RepositorySign.objects.create(repository=repository, free_bytes=40, total_bytes=100, **sign)
    RepositorySpace.objects.create(
        repository=repository, hour=now, free_bytes=40, total_bytes=100, stored_bytes=7
    )
    answers = Answers()
    for kind in (TallyKind.CALL, TallyKind.OPEN, TallyKind.READ):
        answers.note(kind, 0.02, 1000)
        answers.note(kind, 0.3, 1000)
    answers.store(at.pk)
    return late


def test_a_scrape_tells_of_every_vm_job_queue_and_process(scrape):
    late = estate()
    found = scrape()
    vm = (late.pk, HOSTILE, "vc")
    protection = values(found["vmrep_vm_protection"])
    assert protection[*vm, "over_target"] == 1
    assert sorted(key[-1] for key in protection) == ["no_target", "over_target", "unprotected"]
    age = values(found["vmrep_vm_usable_point_age_seconds"])
    assert len(age) == 2
    assert 10_800 <= age[vm] < 10_900
    assert values(found["vmrep_vm_rpo_target_seconds"]) == {vm: 3600}
    assert values(found["vmrep_vm_over_target_seconds"]) == {vm: age[vm] - 3600}
    states = values(found["vmrep_vms"])
    assert (states["vc", "over_target"], states["vc", "protected"]) == (1, 0)
    jobs = values(found["vmrep_jobs"])
    assert jobs["vc", "failed", "", "unexpected"] == 1
    assert jobs["vc", "completed", "initial", ""] == 2
    assert values(found["vmrep_jobs_active"]) == {("pending",): 1, ("running",): 0}
    assert values(found["vmrep_queue_waiting"])["copies",] == 1
    assert values(found["vmrep_queue_oldest_waiting_seconds"])["storage",] == 0
    assert values(found["vmrep_repository_free_bytes"]) == {("srv",): 40}
    assert values(found["vmrep_repository_stored_bytes"]) == {("srv",): 7}
    assert values(found["vmrep_vcenter_answer_seconds"]) == {("vc",): 0.25}
    processes = values(found["vmrep_process_up"])
    assert processes["worker", "dead:1", "copies"] == 0
    assert processes["worker", "copies:1", "copies"] == 1
    assert values(found["vmrep_worker_slots"])["copies",] == 2
    assert values(found["vmrep_troubles"])["worker_dead",] == 0
    assert values(found["vmrep_build"]) == {(__version__,): 1}
    require_whole(found["vmrep_nfc_read_duration_seconds"].samples)


def require_whole(samples: Any) -> None:
    """A histogram of two reads."""
    buckets = [s.value for s in samples if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert len(buckets) == len(tallies.BOUNDS[TallyKind.READ]) + 1
    by_name = {sample.name: sample.value for sample in samples}
    assert buckets[-1] == by_name["vmrep_nfc_read_duration_seconds_count"] == 2
    assert by_name["vmrep_nfc_read_duration_seconds_sum"] == pytest.approx(0.32)


def test_an_installation_without_anything_has_no_vm_and_no_error(scrape):
    found = scrape()
    assert "vmrep_vm_protection" not in found
    assert values(found["vmrep_worker_slots"]) == {
        (queue,): 0 for queue in ("copies", "storage", "control", "tick")
    }


def test_the_series_of_each_vm_can_be_left_out_and_the_format_chosen(scrape):
    estate()
    found = scrape(query="?vms=no")
    assert not set(found) & {metric.name for metric in catalogue.OF_VMS}
    assert values(found["vmrep_vms"])["vc", "over_target"] == 1
    header = {"Authorization": f"Bearer {factories.token(factories.user())}"}
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    answer = Client().get("/metrics", headers=header | accept)
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    assert {family.name for family in openmetrics(answer.content.decode())} >= set(found)
    assert Client().get("/metrics?vm=no", headers=header).status_code == 400


def test_who_sees_a_part_is_told_of_that_part(scrape, settings):
    estate()
    elsewhere = factories.context("elsewhere", at=factories.vcenter("other"))
    factories.failed_job(elsewhere)
    user = factories.user("partial", role="viewer")
    factories.scope(user, elsewhere.vcenter)
    found = scrape(factories.token(user, "read"))
    assert {key[2] for key in values(found["vmrep_vm_protection"])} == {"other"}
    assert {key[0] for key in values(found["vmrep_jobs"])} == {"other"}
    assert "vmrep_notifications_waiting" not in found


def test_nobody_reads_without_a_token_and_the_installations_reads_nothing_else(scrape, settings):
    estate()
    settings.METRICS_TOKEN = ""
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
        assert Client().get("/metrics", headers=header).status_code == 401
    settings.METRICS_TOKEN = "0123456789abcdef" * 2
    for wrong in ("0123456789abcdef", "é" * 32):
        header = {"Authorization": f"Bearer {wrong}"}
        assert Client().get("/metrics", headers=header).status_code == 401
    assert len(scrape(settings.METRICS_TOKEN)["vmrep_vm_protection"].samples) == 3
    header = {"Authorization": f"Token {settings.METRICS_TOKEN}"}
    for path in ("/api/v1/vm-contexts/", "/virtual-machines/"):
        assert Client().get(path, headers=header).status_code in (302, 401)
    assert Client().post("/metrics", headers=header).status_code == 405


def test_a_scrape_of_many_vms_costs_as_many_queries_as_one_of_few(queries):
    estate()
    header = {"Authorization": f"Bearer {factories.token(factories.user())}"}
    client = Client()
    client.get("/metrics", headers=header)  # what is measured once a minute
    few = queries(lambda: client.get("/metrics", headers=header))
    at = factories.vcenter("more")
    for vm in factories.contexts(map(str, range(12)), at=at):
        factories.completed_job(vm)
    for number in range(5):
        factories.sign_of_life("worker", "copies", name=f"w:{number}")
    assert queries(lambda: client.get("/metrics", headers=header)) == few


def test_the_documentation_has_the_table():
    assert "\n".join(catalogue.table()) in (ROOT / "docs/monitoring.md").read_text()
