"""What survives a restart, also one that nobody asked for."""

from __future__ import annotations

import http.client
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.client import MIB, Client, change_id, differing
from tests.labs import PASSWORD, LabCache
from vmrep.lab import ControlError, Lab, LabControl
from vmrep.lab.world.state import Store


def test_everything_is_there_after_a_restart(lab_cache: LabCache, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    with lab_cache.running("small", folder) as lab:
        control, client = LabControl(lab.control_url), Client(lab)
        identity = lab.instance_uuid
        vm = client.vm("small1")
        client.track(vm)
        first = client.snapshot(vm, "first")
        since = change_id(first)
        old = control.kept_content(first._moId, 2000).read_bytes()
        control.write("small1", 2000, 30 * MIB, b"before")
        client.snapshot(vm, "second")
        control.write("small1", 2000, 40 * MIB, b"between")
        control.rename("small2", "renamed")
        control.keep_snapshots()
        known = control.list_vms()
        certificate = (folder / "certificate.pem").read_bytes()
    with lab_cache.running("small", folder) as lab:
        control, client = LabControl(lab.control_url), Client(lab)
        assert lab.instance_uuid == identity
        assert (folder / "certificate.pem").read_bytes() == certificate
        assert control.list_vms() == known
        control.write("small1", 2000, 50 * MIB, b"after")
        vm = client.vm("small1")
        third = client.snapshot(vm, "third")
        tree = vm.snapshot.rootSnapshotList[0]
        assert tree.name == "first"
        assert tree.childSnapshotList[0].childSnapshotList[0].snapshot == third
        assert third._moId not in {first._moId, tree.childSnapshotList[0].snapshot._moId}
        areas = client.areas(vm, third, 2000, since)
        assert areas == [(n * MIB, 65536) for n in (30, 40, 50)]
        client.remove(tree.childSnapshotList[0].snapshot)
        new = control.kept_content(third._moId, 2000).read_bytes()
        assert differing(old, new) == [30 * MIB, 40 * MIB, 50 * MIB]
        assert control.kept_content(tree.childSnapshotList[0].snapshot._moId, 2000).exists()


def test_tasks_and_sessions_are_forgotten(lab_cache: LabCache, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    with lab_cache.running("small", folder) as lab:
        client = Client(lab)
        task = client.vm("small1").PowerOffVM_Task()
        moid, port = task._moId, lab.port
    with lab_cache.running("small", folder, port=port) as lab:
        client = Client(lab)
        assert client.vm("small1").PowerOnVM_Task()._moId != moid
        assert client.vm("small1").runtime.powerState is not None


class Process:
    """The lab as a process of its own."""

    def __init__(self, folder: Path) -> None:
        password = folder.parent / "password"
        password.write_text(PASSWORD)
        self.child = subprocess.Popen(
            [
                *(sys.executable, "-m", "vmrep.lab", "--folder", str(folder)),
                *("--scenario", "small", "--port", "0", "--password-file", str(password)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        assert self.child.stdout is not None
        self.ready = json.loads(self.child.stdout.readline())
        self.control = LabControl(self.ready["control_url"])

    def end(self, number: int) -> int:
        self.child.send_signal(number)
        code = self.child.wait(30)
        if self.child.stdout:
            self.child.stdout.close()
        return code


@contextmanager
def process(folder: Path, ending: int = signal.SIGKILL) -> Iterator[Process]:
    started = Process(folder)
    try:
        yield started
    finally:
        started.end(ending)


class Remote:
    """Enough of a Lab for the client."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.host, self.port = ready["host"], ready["port"]
        self.username, self.password = ready["username"], PASSWORD


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_a_kill_never_makes_change_tracking_claim_less_than_changed(
    lab_cache: LabCache, tmp_path: Path, seed: int
) -> None:
    """Guests write without pause, snapshots come and go, and the lab is killed in between."""
    choose = random.Random(seed)
    folder = lab_cache.copy("small", tmp_path / "lab")
    known: tuple[str, bytes] | None = None
    for _ in range(3):
        with process(folder) as lab:
            client = Client(Remote(lab.ready))
            vm = client.vm("small1")
            client.track(vm)
            made = client.snapshot(vm, "point")
            content = lab.control.kept_content(made._moId, 2000).read_bytes()
            if known is not None:
                areas = client.areas(vm, made, 2000, known[0])
                for at in differing(known[1], content):
                    assert any(s <= at < s + n for s, n in areas)
            known = change_id(made), content
            writer = threading.Thread(target=write_until_cut, args=(lab.control, seed))
            writer.start()
            if choose.random() < 0.7:
                made.RemoveSnapshot_Task(False)
            threading.Event().wait(choose.uniform(0.01, 0.4))
            lab.child.kill()
            writer.join()
    with Lab(folder, "small", password=PASSWORD) as last:
        client, control = Client(last), LabControl(last.control_url)
        final = client.snapshot(client.vm("small1"))
        areas = client.areas(client.vm("small1"), final, 2000, known[0] if known else "*")
        content = control.kept_content(final._moId, 2000).read_bytes()
        assert known is not None
        for at in differing(known[1], content):
            assert any(s <= at < s + n for s, n in areas)


def write_until_cut(control: LabControl, seed: int) -> None:
    source = random.Random(seed)
    try:
        for _ in range(10_000):
            at = source.randrange(8 * MIB, 60 * MIB)
            control.write("small1", 2000, at, source.randbytes(source.choice([1, 700, 70_000])))
    except (ControlError, OSError, ValueError, http.client.HTTPException):
        return


def test_a_merge_that_was_cut_off_is_finished(lab_cache: LabCache, tmp_path: Path) -> None:
    """The state after a kill between the removal's record and the end of its merge."""
    folder = tmp_path / "lab"
    with lab_cache.running("small", folder) as lab:
        control, client = LabControl(lab.control_url), Client(lab)
        snapshot = client.snapshot(client.vm("small1"))
        control.fill("small1", 2000, 20 * MIB, MIB, 1)
        content = control.live_content("small1", 2000).read_bytes()
        control.leave_consolidation("small1")
        client.remove(snapshot)
    store = Store(folder)
    (record,) = [r for r in store.all("vm") if r["config"]["name"] == "small1"]
    record["consolidation_needed"] = record["leave_consolidation"] = False
    store.put("vm", record["ref"], record)
    store.close()
    with lab_cache.running("small", folder) as lab:
        control = LabControl(lab.control_url)
        assert control.live_content("small1", 2000).read_bytes() == content
        assert not list(folder.rglob("small1-000001*"))
