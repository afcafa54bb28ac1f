"""Two vmreps at one vCenter: neither takes the other's snapshots for its own."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from django.db import connection

from contexts.models import VCenter
from contexts.states import TransportKind
from replication.integrity import runs
from replication.models import IntegrityFinding
from tests.sync.estate import MIB
from tests.sync.nursery import nursery

OTHER = "tests.sync.another_installation"


@pytest.fixture
def context(estate):
    VCenter.objects.update(transport=TransportKind.NFC)
    estate.vcenter.refresh_from_db()
    context = estate.take("small1")
    estate.replicate(context)
    return context


def test_two_installations_protect_one_vm(estate, context, migrated_sqlite, tmp_path):
    database = shutil.copyfile(migrated_sqlite, tmp_path / "other.sqlite3")
    other = nursery(f"sqlite:///{database}")
    lab = estate.lab
    arguments = (lab.host, str(lab.port), lab.control_url, str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    code, said = other.run(OTHER, "begin", *arguments)
    assert code == 0, said
    (theirs,) = (one for vm in estate.control.list_vms() for one in vm["snapshots"])
    estate.users_snapshots = {theirs}

    estate.control.fill("small1", 2000, 4 * MIB, MIB, seed="1")
    job = estate.replicate(context)  # and theirs stays
    assert (job.replication_type, job.bytes_transferred) == ("incremental", MIB)
    runs.request(actor="ops")
    runs.run_requested()
    finding = IntegrityFinding.objects.get(code="snapshot_without_row")
    assert "unless another vmrep uses this vCenter" in finding.remedy

    code, said = other.run(OTHER, "go on", *arguments)
    assert code == 0, said
    estate.users_snapshots = set()
    estate.control.fill("small1", 2000, 9 * MIB, MIB, seed="2")
    estate.replicate(context)


@pytest.mark.slow
def test_an_installation_that_was_restored_harms_nothing_of_the_first(estate, context, tmp_path):
    """They have one identity, one repository and the same recovery points. What the first has done
    since, the repository tells the other one, which leaves the VM alone."""
    if connection.vendor != "sqlite":
        pytest.skip("a SQLite database is copied while it is open")
    backup = tmp_path / "restored.sqlite3"
    with sqlite3.connect(backup) as target:
        sqlite3.connect(connection.settings_dict["NAME"]).backup(target)
    estate.control.fill("small1", 2000, 4 * MIB, MIB, seed="1")
    estate.replicate(context)
    estate.control.fill("small1", 2000, 9 * MIB, MIB, seed="2")
    restored = nursery(f"sqlite:///{backup}")
    code, said = restored.run(OTHER, "again")
    assert code == 0, said
    estate.control.fill("small1", 2000, 14 * MIB, MIB, seed="3")
    job = estate.run_job(context)
    assert job.status == "completed", job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    for point in context.recovery_points.all():
        estate.assert_equal_to_snapshot(point)
