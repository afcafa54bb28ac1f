"""A line of the log never costs an answer or a job: processes whose log is on a full disk, goes to
a program that has ended, or takes ASCII only, and an audit log that cannot be written."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from contexts.vsphere.tls import presented_certificate
from tests.e2e.installation import PASSWORD, USER, Installation
from tests.e2e.test_canaries import ACCOUNT, Visitor
from tests.labs import LabCache
from vmrep.lab import Lab, LabControl
from vmrep.local.ports import THIS_MACHINE

pytestmark = pytest.mark.slow

PROCESSES = ("copies", "storage", "control", "tick", "beat", "web")
NAME = "größe 名前 \N{RIGHT-TO-LEFT OVERRIDE}"
ASCII = {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C", "PYTHONUTF8": "0"}


@contextmanager
def full(log: Path) -> Iterator[None]:
    """Each write has the error of a full disk."""
    for name in PROCESSES:
        (log / f"{name}.log").symlink_to("/dev/full")
    yield


@contextmanager
def unread(log: Path) -> Iterator[None]:
    """Each write has the error of a pipe that nobody reads, as soon as the processes are there."""
    readers = []
    for name in PROCESSES:
        os.mkfifo(log / f"{name}.log")
        readers.append(os.open(log / f"{name}.log", os.O_RDONLY | os.O_NONBLOCK))
    yield
    for reader in readers:
        os.close(reader)


@contextmanager
def as_usual(log: Path) -> Iterator[None]:
    yield


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vmrep-logs-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def lab(lab_cache: LabCache, folder: Path) -> Iterator[Lab]:
    with lab_cache.running("small", folder / "lab", password=PASSWORD) as lab:
        LabControl(lab.control_url).rename("small1", NAME)
        yield lab


class Logging(Installation):
    """Its processes' logs go where `sink` puts them."""

    def __init__(
        self, folder: Path, environment: dict[str, str], sink: Callable[[Path], object]
    ) -> None:
        super().__init__(folder, environment)
        self._sink = sink

    def _make(self) -> None:
        (self.folder / "log").mkdir(parents=True)
        with self._sink(self.folder / "log"):
            super()._make()


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("sink", [full, unread, as_usual])
def test_a_line_costs_nothing(
    lab: Lab, folder: Path, sink: Callable[[Path], object], log_format: str
) -> None:
    audit = "/dev/full" if sink is full else str(folder / "nowhere" / "audit.jsonl")
    environment = {"VMREP_ALLOW_ADDRESSES": THIS_MACHINE, "VMREP_LOG_LEVEL": "DEBUG"}
    environment |= {"VMREP_LOG_FORMAT": log_format, "VMREP_AUDIT_LOG": audit}
    with Logging(folder / "vmrep", environment | ASCII, sink) as installation:
        visitor = Visitor(installation)
        login = {"username": USER, "password": PASSWORD, "scope": "danger"}
        visitor.token = visitor.api("POST", "token/", login)["token"]
        search = quote(NAME)
        for path in (f"/virtual-machines/?search={search}", "/%ff%0a", "/metrics", "/audit/"):
            assert installation.get(path).status in (200, 404), path
        _replicate(visitor, lab, folder)
        assert installation.get("/readyz").status == 200
        for name in ("copies", "web"):
            child = installation.children[name]
            assert child.running, name
            child.process.send_signal(signal.SIGTERM)
            assert child.process.wait(120) == 0, name


def _replicate(visitor: Visitor, lab: Lab, folder: Path) -> None:
    wanted = {"name": f"lab {NAME}", "host": lab.host, "port": lab.port, "username": ACCOUNT}
    wanted |= {"trust_mode": "pin", "transport": "datastore", "password": PASSWORD}
    wanted["fingerprint_sha256"] = presented_certificate(lab.host, lab.port).fingerprint_sha256
    vcenter = visitor.api("POST", "vcenters/", wanted)["id"]
    repository = {"name": "here", "path": str(folder / "replicas")}
    facts = visitor.api("POST", "repositories/", repository)["facts"]
    repository |= {"device": facts["device"], "on_system_disk": True}
    visitor.api("POST", "repositories/", repository)
    visitor.api("POST", f"vcenters/{vcenter}/discovery/")
    found = visitor.until(
        lambda: visitor.api("GET", f"vcenters/{vcenter}/discovery/?search=gr").get("results")
    )
    job = visitor.api("POST", "replications/", {"vm_name": found[0]["vm_name"]})["id"]
    ended = visitor.until(
        lambda: (
            (it := visitor.api("GET", f"replications/{job}/"))["status"]
            in ("completed", "failed", "cancelled")
            and it
        )
    )
    assert ended["status"] == "completed", ended
