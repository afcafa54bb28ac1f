"""`python -m vmrep.lab`: its ready line, its end, and its errors."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from tests.lab.client import Client, change_id
from tests.lab.test_restart import Process, Remote, process
from tests.labs import LabCache
from vmrep.lab import Lab, LabError
from vmrep.lab.__main__ import main
from vmrep.lab.world.state import Store


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The error that the command ends with."""
    assert main(list(argv)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_the_ready_line_tells_where_it_is(lab_cache: LabCache, tmp_path: Path) -> None:
    lab_cache.copy("small", tmp_path / "lab")
    with process(tmp_path / "lab", signal.SIGTERM) as lab:
        assert lab.ready["ready"] is True
        assert "password" not in lab.ready
        names = [v.name for v in Client(Remote(lab.ready)).vms()]
        assert names == ["small1", "small2"]
        assert [v["name"] for v in lab.control.list_vms()] == names


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(lab_cache: LabCache, tmp_path: Path, number: int) -> None:
    folder = lab_cache.copy("small", tmp_path / "lab")
    assert Process(folder).end(number) == 0
    assert not (folder / "state.db-wal").exists()


def test_a_taken_port_is_an_error(
    lab_cache: LabCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lab_cache.copy("small", tmp_path / "lab")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option in ("--port", "--control-port"):
            other = "--control-port" if option == "--port" else "--port"
            argv = ("--folder", str(folder), "--scenario", "small", option, port, other, "0")
            assert f"cannot listen on 127.0.0.1:{port}" in run(capsys, *argv)
    with Lab(folder, "small"):
        pass


def test_an_unknown_scenario_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = run(capsys, "--folder", str(tmp_path), "--scenario", "nonsense")
    assert "there is no scenario 'nonsense'; there are: demo, host, huge, odd, small" in error


def test_a_folder_is_for_one_lab_of_one_scenario(
    lab_cache: LabCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lab_cache.copy("small", tmp_path / "lab")
    with Lab(folder, "small"):
        error = run(capsys, "--folder", str(folder), "--scenario", "small", "--port", "0")
        assert "another lab is running" in error
    error = run(capsys, "--folder", str(folder), "--scenario", "huge", "--port", "0")
    assert "holds the scenario 'small'" in error
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "letter.txt").write_text("dear")
    error = run(capsys, "--folder", str(tmp_path / "else"), "--scenario", "small", "--port", "0")
    assert "other things in it than a lab" in error
    error = run(capsys, "--folder", "/proc/lab", "--scenario", "small", "--port", "0")
    assert "cannot be written to" in error


def test_a_first_start_that_was_cut_off_begins_again(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    with Lab(folder, "small") as lab:
        assert len(list(folder.rglob("*-flat.vmdk"))) == 3
        assert lab.port
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (folder / name).unlink(missing_ok=True)
    Store(folder).close()
    (folder / "datastores" / "datastore-9").mkdir()
    with Lab(folder, "small"):
        assert len(list(folder.rglob("*-flat.vmdk"))) == 3
        assert not (folder / "datastores" / "datastore-9").exists()


def test_the_key_is_private(lab: Lab) -> None:
    assert (lab.folder / "certificate.key").stat().st_mode & 0o077 == 0


def test_a_lab_that_does_not_run_has_no_port(tmp_path: Path) -> None:
    with pytest.raises(LabError):
        _ = Lab(tmp_path, "small").port


def test_churn_lets_running_guests_write(lab_cache: LabCache, tmp_path: Path) -> None:
    with lab_cache.running("small", tmp_path / "lab", churn_seconds=0.02) as lab:
        client = Client(lab)
        running, stopped = client.vm("small1"), client.vm("small2")
        client.track(running)
        client.track(stopped)
        first = {v: client.snapshot(v) for v in (running, stopped)}
        time.sleep(0.5)
        second = {v: client.snapshot(v) for v in (running, stopped)}
        areas = {v: client.areas(v, second[v], 2000, change_id(first[v])) for v in second}
        assert areas[running]
        assert areas[stopped] == []
        # the file system, which ends before `free_start`, was not touched
        assert min(at for at, _ in areas[running]) >= 16 << 20
