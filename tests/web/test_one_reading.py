"""A running job's figures change from one statement to the next; a page has one set of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection

from replication.models import ReplicationJob
from tests import factories
from tests.web.conftest import text

MIB = factories.MIB
FIGURES = re.compile(r"(?<![\d.])([\d.]+) MiB of 64 MiB|(?<![\d.])(\d+) %")


@pytest.fixture
def job(db: None) -> ReplicationJob:
    vm = factories.context("web", disks=(factories.disk_record(2000), factories.disk_record(2001)))
    return factories.running_job(vm, planned_bytes=32 * MIB, done_bytes=4 * MIB)


@pytest.mark.parametrize(
    "address",
    [
        "/virtual-machines/?vm={vm}&tab=jobs&columns=name&columns=status&columns=last_job",
        "/jobs/{job}/",
        "/api/v1/replications/{job}/",
    ],
)
def test_a_job_that_goes_on_has_the_same_figures_all_over_a_page(web, job, address):
    def and_meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if sql.startswith("SELECT") and '"replication_jobs"' in sql:
            with connection.cursor() as worker:  # it reports once after each look at the job
                for table, column in (
                    ("replication_jobs", "bytes_transferred"),
                    ("disk_images", "transferred_bytes"),
                ):
                    worker.execute(f"UPDATE {table} SET {column} = {column} + {MIB}")
        return result

    with connection.execute_wrapper(and_meanwhile):
        answer = web.get(address.format(vm=job.vm_context_id, job=job.pk))
    if "json" in answer["Content-Type"]:
        told = answer.json()
        done = sum(disk["transferred_bytes"] for disk in told["disks"])
        assert (told["bytes_transferred"], told["progress_percent"]) == (
            done,
            done * 100 // 64 // MIB,
        )
        return
    found = FIGURES.findall(text(answer))
    sizes = {float(size) for size, _ in found if size}
    percents = {int(percent) for _, percent in found if percent}
    assert len(sizes) == 1, found
    assert percents >= {int(sizes.pop() * 100 // 64)}
