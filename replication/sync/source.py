"""Which transport reads a disk, and the source that it gives."""

from __future__ import annotations

from collections.abc import Callable

from contexts.states import TransportKind
from contexts.vsphere import datastore
from replication.engine.sources.base import Source
from replication.engine.sources.http_range import HttpRangeSource
from replication.sync.job_run import DiskPlan, JobRun
from replication.sync.nfc import NfcSource


def open_source(run: JobRun, plan: DiskPlan) -> Source:
    """The disk as of the job's snapshot. Raises VSphereError where it cannot be located.

    Prepare has made sure that this version has the transport.
    """
    return OPENERS[TransportKind(run.context.vcenter.transport)](run, plan)


def _file_over_https(run: JobRun, plan: DiskPlan) -> Source:
    file = datastore.locate(
        run.session, plan.source, datastore.datacenter_path(run.session, run.vm.moref)
    )
    return HttpRangeSource(
        run.session.https_connection,
        file.target,
        run.session.cookie_headers,
        file.size_bytes,
        renew=run.session.renew,
    )


def _disk_over_nfc(run: JobRun, plan: DiskPlan) -> Source:
    return NfcSource(run.session, run.vm.name, run.vm.moref, plan.source)


OPENERS: dict[TransportKind, Callable[[JobRun, DiskPlan], Source]] = {
    TransportKind.DATASTORE: _file_over_https,
    TransportKind.NFC: _disk_over_nfc,
}
