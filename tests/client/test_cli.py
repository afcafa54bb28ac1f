"""What the command `vmrep` shows and does, against a web server."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from contexts.models import VMContext
from replication.models import Pause, ReplicationJob
from tests import factories
from tests.client.conftest import Run
from vmrep.accounts.models import Token
from vmrep.client import login, transport

pytestmark = pytest.mark.any_database
HOSTILE = "\x1b]0;owned\x07db\u202e01"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.mark.slow
def test_an_operator_s_day(vmrep: Run, as_ops: str) -> None:
    """One server for all that reads and starts: to start one takes longer than to ask it."""
    repository = factories.repository("here")
    one, other = factories.vcenter("bonn"), factories.vcenter("berlin")
    web = factories.context("web 01", at=one, keep_in=repository)
    factories.context("twin", at=one, keep_in=repository)
    factories.context("twin", at=other, keep_in=repository)
    factories.context(HOSTILE, at=other, keep_in=repository)
    done_job = factories.completed_job(web)
    failed = factories.failed_job(web, "It did not answer.\x1b[31m")

    listed = vmrep("vms")
    assert listed.code == 0
    assert "\x1b" not in listed.out
    assert "\\x1b]0;owned\\x07db\\u202e01" in listed.out
    assert [line.split("  ")[0] for line in listed.out.splitlines()][-2:] == ["twin", "web 01"]
    names = [each["vm_name"] for each in vmrep("vms", "--json", "--search", "owned").json]
    assert names == [HOSTILE]
    assert vmrep("vms", "--status", "replicating").err == "There is none.\n"

    shown = vmrep("vm", "web 01")
    assert shown.code == 0
    assert f"context ID       {web.pk}" in shown.out
    assert vmrep("vm", web.pk, "--json").json["context"]["vm_name"] == "web 01"
    (point,) = vmrep("points", "web 01", "--json").json
    assert point["job_id"] == done_job.pk
    assert str(point["id"]) in vmrep("points", "web 01").out

    several = vmrep("vm", "twin")
    assert several.code == 4
    assert one.host in several.err
    assert vmrep("vm", "twin", "--vcenter", other.host).code == 0
    assert vmrep("vm", web.vmware_vm_id, "--json").json["context"]["vm_name"] == "web 01"
    assert vmrep("vm", "nobody").code == 4
    assert vmrep("vm", "../../etc").code == 4

    jobs = vmrep("jobs", "--vm", "web 01", "--json").json
    assert [each["id"] for each in jobs] == [failed.pk, done_job.pk]
    assert "\\x1b[31m" in vmrep("jobs", "--status", "failed").out
    assert vmrep("job", failed.pk, "--wait").code == 1
    assert vmrep("job", done_job.pk).code == 0
    assert vmrep("job", "nobody").code == 4

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

    assert vmrep("pause", "web 01", "--for", "2h", "--reason", "moves").code == 0
    assert vmrep("pause", "--vcenter", "berlin").code == 0
    assert vmrep("pause").code == 2
    assert vmrep("pause", "--all", "--policy", "x").code == 2
    assert "moves" in vmrep("pauses").out
    assert vmrep("resume", "web 01").out == "Resumed: web 01.\n"
    assert vmrep("resume", "web 01").code == 4
    assert [each.vcenter_id for each in Pause.objects.filter(ended_at=None)] == [other.pk]

    assert "bonn" in vmrep("vcenters").out
    assert vmrep("policies").code == 0
    assert vmrep("discover", "nowhere").code == 4

    factories.discovered_vm("new", at=one)
    assert vmrep("take", "new", "--target", "1h").code == 0
    assert vmrep("release", "new").code == 0
    assert VMContext.objects.get(vm_name="new").unmanaged_at


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
