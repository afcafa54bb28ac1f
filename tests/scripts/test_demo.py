"""script/demo as a person and as a build server start it, with all of its processes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.local.test_private import open_to_others
from vmrep.local.ports import free_port, listen

DEMO = Path(__file__).resolve().parents[2] / "script" / "demo"
MIB = 1 << 20


def environment(data: Path | None, **more: str) -> dict[str, str]:
    """This process's environment, less what script/test has put there for other tests."""
    own = {name: value for name, value in os.environ.items() if "VMREP" not in name}
    own.pop("DATABASE_URL", None)
    return own | ({"VMREP_DATA_DIR": str(data)} if data else {}) | more


def processes_of(data: Path) -> list[int]:
    """All running processes that know this data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended meanwhile
        if f"VMREP_DATA_DIR={data}".encode() in variables:
            found.append(int(process.name))
    return found


class Demo:
    """A running `script/demo`, its output in a file."""

    def __init__(self, data: Path, output: Path, *arguments: str) -> None:
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [DEMO, *arguments],
                cwd="/",
                env=environment(data),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str) -> None:
        for _ in range(1200):
            if text in self.said():
                return
            assert self.process.poll() is None, self.said()
            time.sleep(0.1)
        pytest.fail(f"no {text!r} in two minutes:\n{self.said()}")

    def press_ctrl_c(self) -> int:
        """As a terminal does it: the signal goes to the foreground process group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    for process in processes_of(folder):  # a failed test leaves nothing running
        os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """What `script/demo --once` said, and the database that it was given."""
    folder = tmp_path_factory.mktemp("once")
    database = folder / "database.sqlite3"
    result = subprocess.run(
        [DEMO, "--once"],
        env=environment(None, TMPDIR=str(folder), DATABASE_URL=f"sqlite:///{database}"),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == []
    return json.loads(result.stdout.splitlines()[-1]), database


@pytest.mark.slow
def test_once_proves_every_replica(once: tuple[Any, Path]) -> None:
    result, _ = once
    assert set(result) == {"vms", "refused", "integrity"}
    assert result["integrity"] == "ok"
    names = [vm["vm_name"] for vm in result["vms"]]
    assert {"pgtest1", "pgtest2", "build & test"} <= set(names)
    assert names.count("app") == 2
    for vm in result["vms"]:
        assert set(vm) == {"vm_name", "context_id", "initial", "incremental"}
        for kind in ("initial", "incremental"):
            assert set(vm[kind]["sync_types"]) == {kind}
            assert vm[kind]["identical"] is True
            assert vm[kind]["seconds"] > 0
            assert vm[kind]["bytes_transferred"] == vm[kind]["changed_bytes"]


@pytest.mark.slow
def test_once_transfers_what_changed_and_no_more(once: tuple[Any, Path]) -> None:
    result, _ = once
    changed = {vm["vm_name"]: vm["incremental"] for vm in result["vms"]}
    assert changed["pgtest2"]["bytes_transferred"] == 32 * MIB
    assert changed["legacy-erp"]["bytes_transferred"] == 0  # it is powered off


@pytest.mark.slow
def test_once_names_what_was_refused_and_why(once: tuple[Any, Path]) -> None:
    result, _ = once
    reasons = {one["vm_name"]: one["reason"] for one in result["refused"]}
    assert set(reasons) == {"debian12-template", "scratch-disk", "upgrade-test"}
    assert "template" in reasons["debian12-template"]
    assert "independent" in reasons["scratch-disk"]
    assert "before upgrade" in reasons["upgrade-test"]


@pytest.mark.slow
def test_once_leaves_its_record_in_the_database_that_it_was_given(
    once: tuple[Any, Path],
) -> None:
    result, database = once
    with closing(sqlite3.connect(database)) as connection:
        rows = dict(
            connection.execute(
                "SELECT context_id, current_status FROM vm_replication_contexts"
                " WHERE current_job_id IS NULL AND successful_jobs = 2 AND total_jobs_run = 2"
            )
        )
    assert rows == {vm["context_id"]: "ready_for_failover" for vm in result["vms"]}


@pytest.mark.slow
def test_it_starts_stops_and_continues_with_the_same_data(data: Path, tmp_path: Path) -> None:
    data.mkdir()
    data.chmod(0o755)  # as it was before it was kept private
    port = free_port()
    demo = Demo(data, tmp_path / "first", "--port", str(port), "--no-churn")
    demo.wait_for("Every replica is equal")
    assert re.search(r"user: admin +password: \S{12,}", demo.said())
    assert f"http://127.0.0.1:{port}/" in demo.said()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/virtual-machines/")
        answer = connection.getresponse()
        assert answer.status == 302
        assert "login" in str(answer.getheader("Location"))
    assert open_to_others(data) == []
    assert demo.press_ctrl_c() == 0
    assert demo.said().endswith("vmrep has stopped.\n")
    assert processes_of(data) == []

    again = Demo(data, tmp_path / "again", "--port", str(port), "--no-churn")
    again.wait_for("vmrep is running")
    assert "password:" not in again.said()
    assert "Log in as admin with the password" in again.said()
    (reset,) = re.findall(r"VMREP_DATA_DIR=\S+ \S+ \S*manage.py changepassword admin", again.said())
    assert str(data) in reset
    assert "Replicating" not in again.said()
    again.process.kill()
    again.process.wait()
    for _ in range(300):
        if not processes_of(data):
            break
        time.sleep(0.1)
    assert processes_of(data) == []


@pytest.mark.slow
def test_ctrl_c_in_the_middle_stops_everything(data: Path, tmp_path: Path) -> None:
    demo = Demo(data, tmp_path / "output", "--port", str(free_port()), "--no-churn")
    demo.wait_for("in full:")
    assert demo.press_ctrl_c() == 0
    assert processes_of(data) == []


def refused_at(port: str, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEMO, "--port", port],
        env=environment(data),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_taken_port_stops_it_before_anything_is_made(data: Path) -> None:
    with listen(0) as listener:
        port = str(listener.getsockname()[1])
        result = refused_at(port, data)
    assert result.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in result.stderr
    assert [path.name for path in data.iterdir()] == ["demo.lock"]


@pytest.mark.parametrize("port", ["0", "70000", "http", "-1"])
def test_what_is_no_port_is_refused(data: Path, port: str) -> None:
    result = refused_at(port, data)
    assert result.returncode == 2
    assert "port" in result.stderr
    assert not data.exists()
