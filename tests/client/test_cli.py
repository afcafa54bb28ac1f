"""What the command `vmrep` shows and does, against a web server."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contexts.models import VCenter, VMContext
from replication.models import Pause, ReplicationJob
from tests import factories
from tests.client.conftest import Done, Run
from tests.client.examples import ROOT
from tests.client.servers import says, serving
from vmrep.accounts.models import Token
from vmrep.client import login, transport

pytestmark = pytest.mark.any_database
HOSTILE = "\x1b]0;owned\x07db\u202e01"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


class Estate(NamedTuple):
    """Two vCenters; `web` has a completed and a failed job; each vCenter has a `twin`."""

    one: VCenter
    other: VCenter
    web: VMContext
    completed: ReplicationJob
    failed: ReplicationJob


def estate() -> Estate:
    repository = factories.repository("here")
    one, other = factories.vcenter("bonn"), factories.vcenter("berlin")
    web = factories.context("web 01", at=one, keep_in=repository)
    factories.context("twin", at=one, keep_in=repository)
    factories.context("twin", at=other, keep_in=repository)
    factories.context(HOSTILE, at=other, keep_in=repository)
    completed = factories.completed_job(web)
    failed = factories.failed_job(web, "It did not answer.\x1b[31m")
    return Estate(one, other, web, completed, failed)


@pytest.mark.slow
def test_an_operator_s_day(vmrep: Run, as_ops: str) -> None:
    """One server for all that reads and starts: to start one takes longer than to ask it."""
    there = estate()
    lists_vms(vmrep)
    shows_a_vm(vmrep, there)
    finds_the_one_that_is_meant(vmrep, there)
    lists_jobs(vmrep, there)
    starts_and_cancels(vmrep)
    pauses(vmrep, there)
    looks_around(vmrep)
    takes_and_releases(vmrep, there)


def lists_vms(vmrep: Run) -> None:
    listed = vmrep("vms")
    assert listed.code == 0
    assert "\x1b" not in listed.out
    assert "\\x1b]0;owned\\x07db\\u202e01" in listed.out
    assert [line.split("  ")[0] for line in listed.out.splitlines()][-2:] == ["twin", "web 01"]
    names = [each["vm_name"] for each in vmrep("vms", "--json", "--search", "owned").json]
    assert names == [HOSTILE]
    assert vmrep("vms", "--status", "replicating").err == "There is none.\n"


def shows_a_vm(vmrep: Run, there: Estate) -> None:
    shown = vmrep("vm", "web 01")
    assert shown.code == 0
    assert f"context ID       {there.web.pk}" in shown.out
    assert vmrep("vm", there.web.pk, "--json").json["context"]["vm_name"] == "web 01"
    (point,) = vmrep("points", "web 01", "--json").json
    assert point["job_id"] == there.completed.pk
    assert str(point["id"]) in vmrep("points", "web 01").out


def finds_the_one_that_is_meant(vmrep: Run, there: Estate) -> None:
    several = vmrep("vm", "twin")
    assert several.code == 4
    assert there.one.host in several.err
    assert vmrep("vm", "twin", "--vcenter", there.other.host).code == 0
    assert vmrep("vm", there.web.vmware_vm_id, "--json").json["context"]["vm_name"] == "web 01"
    assert vmrep("vm", "nobody").code == 4
    assert vmrep("vm", "../../etc").code == 4


def lists_jobs(vmrep: Run, there: Estate) -> None:
    jobs = vmrep("jobs", "--vm", "web 01", "--json").json
    assert [each["id"] for each in jobs] == [there.failed.pk, there.completed.pk]
    assert "\\x1b[31m" in vmrep("jobs", "--status", "failed").out
    assert vmrep("job", there.failed.pk, "--wait").code == 1
    assert vmrep("job", there.completed.pk).code == 0
    assert vmrep("job", "nobody").code == 4


def starts_and_cancels(vmrep: Run) -> None:
    started = vmrep("replicate", "web 01", "--sync", "checksum")
    assert started.code == 0
    job = ReplicationJob.objects.get(status="pending")
    assert (job.requested_sync, job.requested_by, job.trigger) == ("checksum", "ops", "api")
    again = vmrep("replicate", "web 01")
    assert again.code == 3
    assert job.pk in again.err
    assert vmrep("job", job.pk, "--wait", "--timeout", "0s").code == 7
    assert vmrep("cancel", job.pk).out == f"Job {job.pk} is cancelled.\n"
    assert vmrep("retry", job.pk, "--json").json["status"] == "pending"


def pauses(vmrep: Run, there: Estate) -> None:
    assert vmrep("pause", "web 01", "--for", "2h", "--reason", "moves").code == 0
    assert vmrep("pause", "--vcenter", "berlin").code == 0
    assert vmrep("pause").code == 2
    assert vmrep("pause", "--all", "--policy", "x").code == 2
    assert "moves" in vmrep("pauses").out
    assert vmrep("resume", "web 01").out == "Resumed: web 01.\n"
    assert vmrep("resume", "web 01").code == 4
    assert [each.vcenter_id for each in Pause.objects.filter(ended_at=None)] == [there.other.pk]


def looks_around(vmrep: Run) -> None:
    assert "bonn" in vmrep("vcenters").out
    assert vmrep("policies").code == 0
    assert vmrep("discover", "nowhere").code == 4


def takes_and_releases(vmrep: Run, there: Estate) -> None:
    factories.discovered_vm("new", at=there.one)
    assert vmrep("take", "new", "--target", "1h").code == 0
    assert vmrep("release", "new").code == 0
    assert VMContext.objects.get(vm_name="new").unmanaged_at


def interrupted(command: list[str], environment: dict[str, str], when: Callable[[], bool]) -> Done:
    """The command as a process of its own, to which Ctrl-C comes."""
    # Whoever runs the tests in the background has it ignored, and so would have the command.
    heard = ["env", "--default-signal=INT", *command]
    running = subprocess.Popen(
        heard, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 30
        while not when():
            assert time.monotonic() < until
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    finally:
        running.kill()
        running.wait()
    return Done(running.returncode, out, err)


@pytest.mark.slow
def test_ctrl_c_leaves_the_job_running_and_says_so(home: Path) -> None:
    found = b'{"id": "job-1", "status": "running", "source_vm_name": "web", "waiting_for": null,'
    found += b' "current_operation": "reading", "progress_percent": 5}'
    with serving(says(200, found)) as server:
        login.keep(login.Login(server.url, "secret"))
        command = [sys.executable, "-m", "vmrep.client", "job", "job-1", "--wait"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        # It has looked twice: it waits.
        done = interrupted(command, environment, lambda: len(server.asked) >= 3)
        asked = {(each.method, each.path) for each in server.asked}
    assert done.code == 130
    assert done.out == ""
    assert done.err.strip() == "Job job-1 goes on: vmrep job job-1 --wait"
    assert asked == {("GET", "/api/v1/replications/job-1/")}  # nothing is cancelled


def test_who_logs_in_gets_a_token_that_only_they_can_read(
    vmrep: Run, home: Path, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.user("ops", password="a-password-for-tests")
    assert vmrep("vms").code == 6
    wrong = vmrep("login", live_server.url, "--user", "ops", "--password-stdin", typed="x\n")
    assert wrong.code == 6
    assert not login.file().exists()
    words = ("login", live_server.url, "--user", "ops", "--scope", "read", "--password-stdin")
    assert vmrep(*words, typed="a-password-for-tests\n").code == 0
    assert stat.S_IMODE(login.file().stat().st_mode) == 0o600
    assert stat.S_IMODE(login.file().parent.stat().st_mode) == 0o700
    assert "a-password" not in login.file().read_text()
    token = Token.objects.get()
    assert (token.scope, token.user.username) == ("read", "ops")
    assert vmrep("vms").code == 0
    assert vmrep("pause", "--all").code == 6  # the token may only read
    login.file().chmod(0o644)
    assert "chmod 600" in vmrep("vms").err
    login.file().chmod(0o600)
    # The environment goes before the file, and a token in a file is in no environment.
    (home / "token").write_text("nonsense\n")
    monkeypatch.setenv("VMREP_URL", live_server.url)
    monkeypatch.setenv("VMREP_TOKEN_FILE", str(home / "token"))
    assert vmrep("vms").code == 6
    monkeypatch.delenv("VMREP_URL")
    assert "VMREP_URL" in vmrep("vms").err
    monkeypatch.delenv("VMREP_TOKEN_FILE")
    assert "may only read" in vmrep("logout").err
    assert not login.file().exists()
    assert vmrep("login", live_server.url, "--token-stdin", typed="nonsense\n").code == 6


def test_a_server_that_is_away_is_told_apart_from_a_refusal(
    vmrep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "PATIENCE_SECONDS", 0.0)
    login.keep(login.Login("http://127.0.0.1:9", "secret"))
    answer = vmrep("vms")
    assert (answer.code, "does not answer" in answer.err) == (5, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["vms", "--status", "\x1b[31m"],
        ["replicate", "web", "--timeout", "soon"],
        ["jobs", "--limit", "0"],
        ["login", "http://vmrep.example.org", "--user", "x", "--password-stdin"],
        ["login", "localhost", "--fingerprint", "12", "--user", "x", "--password-stdin"],
        [],
    ],
)
def test_wrong_use_is_refused(vmrep: Run, arguments: list[str]) -> None:
    answer = vmrep(*arguments)
    assert answer.code == 2
    assert answer.err
    assert "\x1b" not in answer.err
