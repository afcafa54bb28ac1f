"""Which transport a disk is read by, and the source that it gives."""

from __future__ import annotations

from contexts.vsphere import datastore
from replication.engine.sources.base import Source
from replication.engine.sources.http_range import HttpRangeSource
from replication.sync.job_run import DiskPlan, JobRun


def open_source(run: JobRun, plan: DiskPlan) -> Source:
    """The disk as of the job's snapshot. Raises VSphereError where it cannot be located."""
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
