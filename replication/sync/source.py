"""The ways to a disk's bytes: how to reach and try each, and the source that it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from contexts.vsphere import datastore
from contexts.vsphere.datastore import DatastoreFile
from contexts.vsphere.records import DiskRecord
from replication.engine.copy import CONNECTIONS
from replication.engine.sources.base import Source
from replication.engine.sources.http_range import HttpRangeSource
from replication.sync import nbd, nfc
from replication.sync.job_run import DiskPlan, JobRun
from replication.sync.seats import Seat


class Way(NamedTuple):
    """What a transport does, with the code of `contexts.vsphere.transports`.

    - `reach`: what can be tried before the snapshot. Raises VSphereError, ResourceFull.
    - `probe`: open a disk of the snapshot, and read a little. Raises likewise.
    - `open`: the disk as of the snapshot. Raises VSphereError where it cannot be located.
    - `threads`: for one disk, each with a request of its own, or with several small ones.
    - `requests_together`: so many small requests a thread makes at once.
    """

    reach: Callable[[JobRun], None]
    probe: Callable[[JobRun, DiskRecord], None]
    open: Callable[[JobRun, DiskRecord, Seat], Source]
    threads: int = CONNECTIONS
    requests_together: int = 1


def open_source(run: JobRun, plan: DiskPlan, seat: Seat) -> Source:
    """The disk as of the job's snapshot, over the transport that was chosen."""
    return WAYS[run.transport].open(run, plan.source, seat)


def _nothing_to_reach(run: JobRun) -> None:
    """Only the snapshot tells which file it is, and whether the host serves it."""


def _locate(run: JobRun, disk: DiskRecord) -> DatastoreFile:
    path = datastore.datacenter_path(run.session, run.vm.moref)
    return datastore.locate(run.session, disk, path)


def _probe_file(run: JobRun, disk: DiskRecord) -> None:
    datastore.probe(run.session, _locate(run, disk))


def _open_file(run: JobRun, disk: DiskRecord, seat: Seat) -> Source:
    file = _locate(run, disk)
    return HttpRangeSource(
        run.session.https_connection,
        file.target,
        run.session.cookie_headers,
        file.size_bytes,
        renew=run.session.renew,
    )


def _reach_host(run: JobRun) -> None:
    with run.seats.one() as seat:
        nfc.reach(run.session, run.vm, seat.require)


def _probe_disk(run: JobRun, disk: DiskRecord) -> None:
    with run.seats.one() as seat:
        nfc.NfcSource(run.session, run.vm, disk, seat.require, run.answers).probe()


def _open_disk(run: JobRun, disk: DiskRecord, seat: Seat) -> Source:
    return nfc.NfcSource(run.session, run.vm, disk, seat.require, run.answers)


def _open_served(run: JobRun, disk: DiskRecord, seat: Seat) -> Source:
    return nbd.open_disk(run, disk, seat)


WAYS: Mapping[str, Way] = {
    "datastore": Way(_nothing_to_reach, _probe_file, _open_file),
    "nbd": Way(nbd.reach, nbd.probe, _open_served),
    "nfc": Way(_reach_host, _probe_disk, _open_disk, nfc.THREADS, nfc.REQUESTS_TOGETHER),
}
