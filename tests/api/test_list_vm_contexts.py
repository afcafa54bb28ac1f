"""GET vm-contexts/: the light list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from contexts.models import VMContext
from contexts.services import management
from tests import factories
from tests.factories import HOSTILE_NAME, MIB
from vmrep.api.views.contexts import ORDER_BY


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [row["vm_name"] for row in answer.json()["results"]]


def test_it_shows_what_the_table_shows(api):
    context = factories.context(disks=[factories.disk_record(2000), factories.disk_record(2001)])
    job = factories.completed_job(context)
    (row,) = api.get("vm-contexts/").json()["results"]
    assert row["context_id"] == context.pk
    assert row["vcenter"] == {
        "id": context.vcenter_id,
        "name": context.vcenter.name,
        "host": context.vcenter.host,
    }
    assert (row["cpu_count"], row["memory_mb"], row["power_state"]) == (2, 4096, "poweredOn")
    assert (row["disk_count"], row["capacity_bytes"]) == (2, 128 * MIB)
    assert row["current_status"] == "ready_for_failover"
    assert row["current_job"] is None
    assert row["last_job"]["id"] == job.pk
    assert row["last_job"]["status"] == "completed"
    assert row["protection"] == "no_target"
    assert row["newest_recovery_point_at"].endswith("Z")


def test_it_shows_the_running_job_with_its_progress(api):
    context = factories.context()
    job = factories.running_job(context, planned_bytes=32 * MIB, done_bytes=8 * MIB)
    (row,) = api.get("vm-contexts/").json()["results"]
    assert row["current_job"]["id"] == row["current_job_id"] == job.pk
    assert row["current_job"]["progress_percent"] == 25
    assert row["current_job"]["eta_seconds"] == 6


def test_it_never_says_100_percent_before_the_commit(api):
    factories.running_job(factories.context(), planned_bytes=MIB, done_bytes=MIB)
    (row,) = api.get("vm-contexts/").json()["results"]
    assert row["current_job"]["progress_percent"] == 99


def test_it_shows_why_the_last_job_failed_beside_the_status(api):
    context = factories.context()
    factories.completed_job(context)
    factories.failed_job(context, "The vCenter did not answer.")
    (row,) = api.get("vm-contexts/").json()["results"]
    assert row["current_status"] == "ready_for_failover"
    assert row["last_job"]["status"] == "failed"
    assert row["last_job"]["error_message"] == "The vCenter did not answer."


def test_unknown_is_null(api):
    factories.context(
        cpu_count=None,
        memory_mb=None,
        os_type=None,
        ip_addresses=None,
        disks=[factories.disk_record(), factories.disk_record(2001, capacity_bytes=None)],
    )
    (row,) = api.get("vm-contexts/").json()["results"]
    for name in ("cpu_count", "memory_mb", "os_type", "ip_addresses", "capacity_bytes"):
        assert row[name] is None, name
    assert row["disk_count"] == 2
    assert (row["rpo_seconds"], row["protection"]) == (None, "unprotected")


def test_the_rpo_is_told_by_the_clock(api):
    hour_ago = timezone.now() - timedelta(hours=1)
    context = factories.context("late")
    factories.completed_job(context, consistent_at=hour_ago)
    VMContext.objects.filter(pk=context.pk).update(rpo_target_seconds=1800)
    (row,) = api.get("vm-contexts/").json()["results"]
    assert 3600 <= row["rpo_seconds"] < 3700
    assert row["protection"] == "over_target"
    assert row["over_by_seconds"] == row["rpo_seconds"] - row["rpo_target_seconds"]
    VMContext.objects.filter(pk=context.pk).update(rpo_target_seconds=7200)
    (row,) = api.get("vm-contexts/").json()["results"]
    assert row["protection"] == "protected"


def test_it_leaves_out_what_is_no_longer_managed(api):
    management.release(factories.context("gone"), actor="ops")
    factories.context("here")
    assert names(api.get("vm-contexts/")) == ["here"]


def test_a_removed_disk_does_not_count(api):
    context = factories.context(disks=[factories.disk_record(2000), factories.disk_record(2001)])
    context.disks.filter(device_key=2001).update(removed_at=timezone.now())
    (row,) = api.get("vm-contexts/").json()["results"]
    assert (row["disk_count"], row["capacity_bytes"]) == (1, 64 * MIB)


@pytest.mark.parametrize(
    "search",
    [
        "WEB-0",
        "guest-of-web",
        "192.0.2.77",
        "payroll",
        "4c4c4544-0001",
        "ctx-web-01",
        "web payroll",
        "  payroll   WEB ",
    ],
)
def test_search_looks_at_names_ids_addresses_and_notes(api, search):
    factories.context(
        "web-01",
        annotation="the payroll server",
        guest_hostname="guest-of-web",
        ip_addresses=("192.0.2.77",),
        instance_uuid="4c4c4544-0001-4a10-8051-b4c04f4e3132",
    )
    factories.context("db-01")
    assert names(api.get("vm-contexts/", {"search": search})) == ["web-01"]


@pytest.mark.parametrize("search", ["web mail", "%", "_", "'", "\\", "0001"])
def test_search_finds_nothing_where_a_word_does_not_occur(api, search):
    factories.context("web01", instance_uuid="4c4c4544-0001-4a10-8051-b4c04f4e31db")
    factories.context("mail01")
    assert names(api.get("vm-contexts/", {"search": search})) == []


def filtered_estate() -> None:
    vcenter = factories.vcenter("east")
    running = factories.context("running", at=vcenter, power_state="poweredOff")
    factories.running_job(running)
    factories.completed_job(factories.context("ready", os_type="Microsoft Windows Server 2022"))
    factories.failed_job(factories.context("failed", power_state=None))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=replicating", {"running"}),
        ("status=replicating&status=failed", {"running", "failed"}),
        ("power_state=poweredOff", {"running"}),
        ("power_state=poweredOn", {"ready"}),
        ("os=windows", {"ready"}),
        ("protection=no_target", {"ready"}),
        ("protection=protected", set()),
        ("protection=unprotected", {"running", "failed"}),
        ("protection=over_target", set()),
        ("status=failed&os=windows", set()),
    ],
)
def test_filters_narrow_the_list(api, query, found):
    filtered_estate()
    assert set(names(api.get(f"vm-contexts/?{query}"))) == found


def test_it_can_be_narrowed_to_a_vcenter(api):
    filtered_estate()
    east = VMContext.objects.get(vm_name="running").vcenter_id
    assert names(api.get("vm-contexts/", {"vcenter": east})) == ["running"]


@pytest.mark.parametrize(
    ("query", "field", "hint"),
    [
        ("stauts=failed", "stauts", "'status'"),
        ("page_zise=5", "page_zise", "'page_size'"),
        ("zzz=1", "zzz", "It takes"),
        ("status=ready", "status", "ready"),
        ("protection=late", "protection", "late"),
        ("power_state=on", "power_state", "on"),
        ("vcenter=999", "vcenter", "999"),
        ("vcenter=x", "vcenter", "x"),
        (f"vcenter={10**30}", "vcenter", "valid"),
        ("page_size=0", "page_size", "500"),
        ("page_size=501", "page_size", "500"),
        ("page_size=many", "page_size", "500"),
        ("page_size=²", "page_size", "500"),
        ("ordering=cpus", "ordering", "cpu_count"),
        (f"search={'x' * 300}", "search", "200"),
    ],
)
def test_what_it_does_not_understand_it_refuses_by_name(api, query, field, hint):
    answer = api.get(f"vm-contexts/?{query}")
    assert answer.status_code == 400
    assert hint in " ".join(answer.json()["errors"][field])
    assert answer.json()["message"].startswith(f"{field}: ")


def test_it_is_ordered_by_name_unless_asked_otherwise(api):
    for name, cpus in (("b", 1), ("a", 4), ("c", None)):
        factories.context(name, cpu_count=cpus)
    assert names(api.get("vm-contexts/")) == ["a", "b", "c"]
    assert names(api.get("vm-contexts/?ordering=-vm_name")) == ["c", "b", "a"]


def test_unknown_values_come_last_whichever_way_it_is_ordered(api):
    for name, cpus in (("b", 1), ("a", 4), ("c", None)):
        factories.context(name, cpu_count=cpus)
    assert names(api.get("vm-contexts/?ordering=cpu_count")) == ["b", "a", "c"]
    assert names(api.get("vm-contexts/?ordering=-cpu_count,vm_name")) == ["a", "b", "c"]


def test_every_ordering_that_is_offered_works(api):
    factories.completed_job(factories.context())
    for name in ORDER_BY:
        assert api.get(f"vm-contexts/?ordering=-{name}").status_code == 200, name


def test_pages_are_linked_and_together_hold_every_row_once(api):
    factories.contexts(["same name"] * 5)
    address, seen = "vm-contexts/?page_size=2&search=same", []
    while address:
        page = api.get(address).json()
        assert page["count"] == 5
        seen += [row["context_id"] for row in page["results"]]
        address = page["next"]
    assert len(seen) == len(set(seen)) == 5


def test_a_page_beyond_the_last_is_not_found(api):
    assert api.get("vm-contexts/?page=2").status_code == 404


def test_a_hostile_name_comes_through_as_it_is(api):
    factories.context(HOSTILE_NAME)
    assert names(api.get("vm-contexts/")) == [HOSTILE_NAME]


@pytest.mark.any_database
def test_the_number_of_queries_does_not_grow_with_the_rows(api, queries):
    def grow(count: int) -> None:
        for number in range(count):
            context = factories.context(f"vm-{number}")
            factories.completed_job(context)
            factories.running_job(context)

    grow(1)
    one = queries(lambda: api.get("vm-contexts/"))
    grow(4)
    assert queries(lambda: api.get("vm-contexts/")) == one
    assert len(api.get("vm-contexts/").json()["results"]) == 5
