"""How long reading the VMs of a vCenter takes, against pyVmomi reading the same from the same lab.

python -m vmrep.bench.inventory --vms N --folder FOLDER --report FILE

A lab with so many VMs, in a process of its own, serves both in turn; what it answers with is made
before anything is measured. vmrep reads as a discovery does, from login to records: the first time
everything, repeatedly with all devices known. pyVmomi reads the same properties of the VMs alone,
in pages, and does nothing with them. Nothing is stored.

Three times are taken of each: the wall's, the client's CPU time, and the lab's. Neither client does
anything while it waits, so what a client does not use, the server and the machine's other load do.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from contexts.vsphere import inventory
from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.records import KnownDevices, VmRecord
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from contexts.vsphere.vm_reading import VM_PATHS
from vmrep.bench.processes import cpu_seconds

T = TypeVar("T")

ROUNDS = 3
PAGE = 500
PASSWORD = "only-for-measuring"  # noqa: S105

SCENARIO = """
[estate]
task_delay_seconds = 0.0

[[vms]]
name = "bench"
count = {count}
notes = "Owner: the team that made it. See the wiki for who is called at night."
tools = {{ version = "12352", status = "toolsOk", hostname = "bench.example.com" }}
disks = [{disks}]
nics = [{adapters}]
"""
DISK = '{ capacity = "1MiB", content = "empty" }'
ADAPTER = '{ network = "VM Network", addresses = ["10.0.0.5", "fe80::5"] }'
DISKS, ADAPTERS = 2, 2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vms", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    wanted = parser.parse_args()
    with lab(wanted.folder, wanted.vms) as (endpoint, process):
        wanted.report.write_text(json.dumps(measure(endpoint, process, wanted.vms)))


def measure(endpoint: Endpoint, lab_process: int, vms: int) -> dict[str, dict[str, float]]:
    """Medians in seconds of "pyvmomi", "first" and "again": each with "wall", "client", "lab"."""
    records = _read(endpoint, inventory.nothing_known)  # also lets the lab make its answers
    known = _known(records)
    _require_same(with_pyvmomi(endpoint), records, _read(endpoint, lambda morefs: known), vms)
    # The thousands of records kept for the repeated reading are the benchmark's own: without this
    # the collector of garbage would pass through them again and again, for all three.
    gc.collect()
    gc.freeze()
    ways: dict[str, Callable[[], int]] = {
        "pyvmomi": lambda: with_pyvmomi(endpoint),
        "first": lambda: _count(endpoint, inventory.nothing_known),
        "again": lambda: _count(endpoint, lambda morefs: known),
    }
    spent: dict[str, list[Spent]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            count, each = _timed(way, lab_process)
            spent[name].append(each)
            if count != vms:
                raise SystemExit(f"{name}: {count} VMs were read")
    return {
        name: {part: statistics.median(getattr(one, part) for one in each) for part in PARTS}
        for name, each in spent.items()
    }


def _require_same(
    count: int, records: Sequence[VmRecord], repeated: Sequence[VmRecord], vms: int
) -> None:
    if count != vms or len(records) != vms or list(repeated) != list(records):
        raise SystemExit("the readings differ: there is nothing to compare")
    if any(record.devices_were_read for record in repeated):
        raise SystemExit("devices were read that had not changed")


class Spent(NamedTuple):
    """Seconds: on the wall, and of CPU time of the client and of the lab."""

    wall: float
    client: float
    lab: float


PARTS = Spent._fields


def _timed(do: Callable[[], T], lab_process: int) -> tuple[T, Spent]:
    begun = _now(lab_process)
    done = do()
    return done, Spent(*(end - begin for begin, end in zip(begun, _now(lab_process), strict=True)))


def _now(lab_process: int) -> Spent:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return Spent(time.perf_counter(), own.ru_utime + own.ru_stime, cpu_seconds(lab_process))


def _count(endpoint: Endpoint, known: inventory.Known) -> int:
    """Like a discovery, which stores a page and forgets it."""
    with Session(endpoint) as session:
        return sum(len(page.records) for page in inventory.read_vms(session, known=known))


def _read(endpoint: Endpoint, known: inventory.Known) -> list[VmRecord]:
    with Session(endpoint) as session:
        return [vm for page in inventory.read_vms(session, known=known) for vm in page.records]


def _known(records: Sequence[VmRecord]) -> dict[str, KnownDevices]:
    return {
        record.moref: KnownDevices(record.devices_version or "", record.disks, record.networks)
        for record in records
    }


def with_pyvmomi(endpoint: Endpoint) -> int:
    """Read the same with pyVmomi, page by page. Returns how many VMs there were."""
    instance = SmartConnect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.username,
        pwd=endpoint.password,
        disableSslCertValidation=True,
    )
    content = instance.RetrieveContent()
    collector = vmodl.query.PropertyCollector
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    walk = collector.TraversalSpec(name="view", type=type(view), path="view", skip=False)
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[walk])],
        propSet=[
            collector.PropertySpec(type=vim.VirtualMachine, all=False, pathSet=list(VM_PATHS))
        ],
    )
    reader = content.propertyCollector
    page = reader.RetrievePropertiesEx([spec], collector.RetrieveOptions(maxObjects=PAGE))
    count = 0
    while page is not None:
        count += len(page.objects)
        page = reader.ContinueRetrievePropertiesEx(page.token) if page.token else None
    Disconnect(instance)
    return count


@contextmanager
def lab(folder: Path, vms: int) -> Iterator[tuple[Endpoint, int]]:
    """A lab with so many VMs, in a process of its own, and that process."""
    folder.mkdir(parents=True, exist_ok=True)
    scenario = folder / "many.toml"
    scenario.write_text(
        SCENARIO.format(
            count=vms, disks=", ".join([DISK] * DISKS), adapters=", ".join([ADAPTER] * ADAPTERS)
        )
    )
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    command = [sys.executable, "-m", "vmrep.lab", "--folder", str(folder / "lab")]
    command += ["--scenario", str(scenario), "--port", "0", "--control-port", "0"]
    with (
        (folder / "lab.log").open("wb") as log,
        subprocess.Popen(
            [*command, "--password-file", str(secret)], stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            yield _endpoint(process), process.pid
        finally:
            process.terminate()


def _endpoint(process: subprocess.Popen[bytes]) -> Endpoint:
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise SystemExit("the lab did not start; its log says why")
    ready: dict[str, Any] = json.loads(line)
    port = int(ready["port"])
    pin = Trust("pin", presented_certificate("127.0.0.1", port).fingerprint_sha256)
    return Endpoint("127.0.0.1", port, str(ready["username"]), PASSWORD, pin)


if __name__ == "__main__":
    main()
