"""Replications by a command that serves NBD, from a settings file, compared byte by byte."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest

from contexts.models import VCenter
from contexts.states import TransportKind
from contexts.vsphere import snapshots
from replication.models import Place, VMSnapshot
from replication.services import places, start
from replication.states import JobStatus, SnapshotState
from replication.sync import runner
from tests import factories
from tests.engine.support import has_process, wait_until
from tests.sync.estate import MIB

NBDKIT = ["nbdkit", "--foreground", "--exit-with-parent", "--readonly", "--unix", "{socket}"]


@pytest.fixture
def command(estate, settings, tmp_path):
    """Set the vCenter's command, named "mine"."""
    settings.NBD_COMMANDS = tmp_path / "commands.toml"

    def write(*arguments: str, **more: int) -> None:
        lines = [f"command = {json.dumps(list(arguments))}"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in more.items()]
        settings.NBD_COMMANDS.write_text("\n".join(["[mine]", *lines, ""]))
        VCenter.objects.update(transport=TransportKind.NBD, nbd_command="mine")
        estate.vcenter.refresh_from_db()

    return write


@pytest.fixture
def raw(estate, tmp_path):
    """Files of the disks of small2, which is off; how an argument names them."""

    def copy() -> None:
        for key in (2000, 2001):
            content = estate.control.live_content("small2", key)
            shutil.copy(content, tmp_path / f"disk {key}.raw")

    copy()
    return copy


@pytest.mark.parametrize("connections", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_a_vm_is_replicated_in_full_and_then_by_its_changes(
    estate, command, raw, tmp_path, connections
):
    command(*NBDKIT, "file", f"file={tmp_path}/disk {{device_key}}.raw", connections=connections)
    context = estate.take("small2")
    job = estate.replicate(context)
    assert (job.transport, job.replication_type) == ("nbd", "initial")
    estate.control.fill("small2", 2000, 16 * MIB, 8 * MIB, seed=1)
    raw()
    job = estate.replicate(context)
    assert (job.transport, job.replication_type) == ("nbd", "incremental")


def test_the_command_gets_what_it_needs_and_no_secret_in_its_arguments(
    estate, command, raw, tmp_path
):
    told = tmp_path / "told"
    script = (
        f'printf "%s\\n" "$@" >>{told}; stat -c %a "$2" >>{told}; wc -c <"$2" >>{told}; '
        f'exec nbdkit -f -r -U "$1" file "{tmp_path}/disk $7.raw"'
    )
    values = ("socket", "password_file", "user", "vm_moref", "snapshot_moref", "disk_path")
    filled = [f"{{{name}}}" for name in (*values, "device_key")]
    command("sh", "-c", script, "sh", *filled)
    job = estate.replicate(estate.take("small2"))
    lines = told.read_text().splitlines()
    snapshot = job.snapshots.get().moref
    assert lines[2:7] == [
        estate.vcenter.username,
        job.vm_context.moref,
        snapshot,
        "[datastore1] small2/small2.vmdk",
        "2000",
    ]
    assert lines[7:9] == ["600", str(len("a password of the lab"))]
    assert "a password of the lab" not in told.read_text()


@pytest.mark.slow
def test_a_name_from_the_vcenter_becomes_no_further_argument(
    estate, command, raw, tmp_path, monkeypatch
):
    """And nothing in it is run or filled in again."""
    told = tmp_path / "told"
    script = f'echo "$# $2" >>{told}; exec nbdkit -f -r -U "$1" file "{tmp_path}/disk $3.raw"'
    command("sh", "-c", script, "sh", "{socket}", "{disk_path}", "{device_key}")
    context = estate.take("small2")
    hostile = "[datastore1] -x $(touch /tmp/no) {password_file} '; a=b/small2.vmdk"
    read = snapshots.disks
    monkeypatch.setattr(
        snapshots,
        "disks",
        lambda *given: tuple(replace(disk, vmdk_path=hostile) for disk in read(*given)),
    )
    job = estate.run_job(context)
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert set(told.read_text().splitlines()) == {f"3 {hostile}"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(
            *((*NBDKIT, "memory", "1M"), "serves 1048576 bytes, but the disk has 67108864"),
            marks=pytest.mark.slow,
        ),
        (("sh", "-c", "echo no licence >&2; exit 3", "{socket}"), "code 3 and said: no licence"),
        pytest.param(
            *(("nbdkit", "--unix", "{socket}", "memory", "64M"), "went into the background"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_command_that_fails_leaves_no_snapshot_and_says_why(estate, command, arguments, words):
    command(*arguments)
    job = estate.run_job(estate.take("small2"))
    whose = r"small2, Hard disk [12], by the command “mine”: the command "
    assert re.search(whose, job.error_message), job.error_message
    assert words in job.error_message
    assert not VMSnapshot.objects.exclude(state=SnapshotState.REMOVED).exists()


def test_a_worker_without_the_command_says_so_before_the_snapshot(estate, command, settings):
    command(*NBDKIT, "memory", "64M")
    settings.NBD_COMMANDS.unlink()
    job = estate.run_job(estate.take("small2"))
    assert job.status == JobStatus.FAILED
    assert "commands.toml cannot be read" in job.error_message
    assert not job.snapshots.exists()


# ---------------------------------------------------------------- the hosts' few sessions


@pytest.fixture
def most_places(monkeypatch):
    """How many places were held at most, at each taking."""
    most, take = [0], places.take

    def watched(*given, **more):
        place = take(*given, **more)
        own = Place.objects.filter(kind="host_sessions").exclude(holder="another")
        most[0] = max(most[0], own.count())
        return place

    monkeypatch.setattr(places, "take", watched)
    return most


def occupy(job, address: str, count: int) -> None:
    factories.places(job, "host_sessions", address, count)


@pytest.mark.slow
def test_a_job_waits_for_a_place_on_the_host_as_over_nfc(estate, command, raw, tmp_path, settings):
    """The program opens the same sessions there as NFC does."""
    settings.DISKS_PER_HOST = 2
    command(*NBDKIT, "file", f"file={tmp_path}/disk {{device_key}}.raw")
    job = start.start(estate.take("small2"), trigger="manual", requested_by="ops")
    hosts = estate.lab.nfc._servers.values()
    for server in hosts:
        occupy(job, f"{server.address}:{server.port}", 2)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.PENDING
    assert re.fullmatch(
        r"Waiting for a place on host esx\S+: 2 of 2 disk sessions in use", job.current_operation
    )
    assert not job.snapshots.exists()
    assert runner.run_next() is None

    Place.objects.all().delete()
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
    assert not Place.objects.exists()


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        pytest.param(1, 1, marks=pytest.mark.slow),
        pytest.param(3, 3, marks=pytest.mark.slow),
        pytest.param(8, 6, marks=pytest.mark.slow),
    ],
)
def test_each_connection_of_a_program_takes_a_place(
    estate, command, raw, tmp_path, settings, most_places, limit, most
):
    """Two disks of three connections; with fewer places they have fewer."""
    settings.DISKS_PER_HOST = limit
    command(*NBDKIT, "file", f"file={tmp_path}/disk {{device_key}}.raw", connections=3)
    job = estate.replicate(estate.take("small2"))
    assert (job.transport, most_places[0]) == ("nbd", most)
    assert not Place.objects.exists()


@pytest.mark.slow
def test_a_program_that_does_not_read_from_the_host_takes_none(
    estate, command, raw, tmp_path, settings, most_places
):
    settings.DISKS_PER_HOST = 1
    kept = f"file={tmp_path}/disk {{device_key}}.raw"
    command(*NBDKIT, "file", kept, reads_from_host=False)
    context = estate.take("small2")
    job = start.start(context, trigger="manual", requested_by="ops")
    for server in estate.lab.nfc._servers.values():
        occupy(job, f"{server.address}:{server.port}", 1)
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    assert most_places == [0]


@pytest.mark.slow
def test_a_killed_workers_command_ends_with_what_it_started(estate, command, raw, tmp_path):
    """And the next attempt resumes with another one."""
    told = tmp_path / "told"
    script = (
        f"setsid sleep 600 & echo $! >>{told}; echo $$ >>{told};"
        f' exec nbdkit -f -r -U "$1" file "{tmp_path}/disk $2.raw"'
    )
    command("sh", "-c", script, "sh", "{socket}", "{device_key}")
    context = estate.take("small2")
    job = start.start(context, trigger="manual", requested_by="ops")
    estate.worker_that_dies("within transfer")
    pids = [int(line) for line in told.read_text().split()]
    wait_until(lambda: not any(map(has_process, pids)), "the end of the commands")
    estate.take_over()
    assert runner.run_next() == job.pk
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED, job.error_message
    estate.assert_equal_to_snapshot(job.recovery_point)
