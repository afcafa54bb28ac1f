"""Two vmreps at one vCenter: neither takes the other's snapshots for its own."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from django.core.management import call_command
from django.db import connection

from contexts.models import VCenter
from contexts.states import TransportKind
from replication.integrity import runs
from replication.manifests import writing
from replication.models import IntegrityFinding, ReplicaManifest
from replication.services import start
from replication.sync import runner
from tests.sync.estate import MIB, try_again
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
@pytest.mark.parametrize("ahead", [None, 0, 2])
def test_an_installation_that_was_restored_harms_nothing_of_the_first(
    estate, context, tmp_path, ahead
):
    """They have one identity, one repository and the same recovery points. What the first has done
    since, the repository tells the other one, which leaves the VM alone: also if that one has given
    versions of the manifest that it could not write, as many as the first or more."""
    if connection.vendor != "sqlite":
        pytest.skip("a SQLite database is copied while it is open")
    backup = tmp_path / "restored.sqlite3"
    with sqlite3.connect(backup) as target:
        sqlite3.connect(connection.settings_dict["NAME"]).backup(target)
    estate.control.fill("small1", 2000, 4 * MIB, MIB, seed="1")
    estate.replicate(context)
    estate.control.fill("small1", 2000, 9 * MIB, MIB, seed="2")
    restored = nursery(f"sqlite:///{backup}")
    version = ReplicaManifest.objects.get().version
    code, said = restored.run(OTHER, "again", str(0 if ahead is None else version + ahead))
    assert code == 0, said
    estate.control.fill("small1", 2000, 14 * MIB, MIB, seed="3")
    job = estate.run_job(context)
    assert job.status == "completed", job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    for point in context.recovery_points.all():
        estate.assert_equal_to_snapshot(point)


@pytest.mark.slow
def test_a_repository_is_one_installation_s_until_another_one_takes_it_over(
    estate, context, migrated_sqlite, tmp_path
):
    """And back again, by what the error says."""
    writing.write_due()
    database = shutil.copyfile(migrated_sqlite, tmp_path / "other.sqlite3")
    other = nursery(f"sqlite:///{database}")
    folder = str(estate.repository_folder)

    def said_there():
        return {path: path.read_bytes() for path in estate.repository_folder.rglob(".vmrep-*")}

    before = said_there()
    assert len(before) == 3

    code, said = other.run(OTHER, "take", folder)
    assert code != 0
    assert "is used by another installation of vmrep" in said
    assert "--take-over" in said
    assert before == {
        path: path.read_bytes() for path in estate.repository_folder.rglob(".vmrep-*")
    }
    estate.control.fill("small1", 2000, 4 * MIB, MIB, seed="1")
    estate.replicate(context)

    code, said = other.run(OTHER, "take", folder, "--take-over")
    assert code == 0, said
    job = start.start(context, trigger="manual", requested_by="ops")
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == "pending"
    remedy = f"restore_repository {folder} --take-over"
    assert remedy in job.error_message
    writing.write_due()  # nor does it say anything there any more
    runs.request(actor="ops")
    runs.run_requested()
    assert IntegrityFinding.objects.filter(code="repository_taken").exists()

    call_command(*remedy.split())
    assert try_again(job).status == "completed"
    for point in context.recovery_points.all():
        estate.assert_equal_to_snapshot(point)
    assert other.run(OTHER, "take", folder)[0] != 0
