"""Another vmrep at the same lab, with a database of its own, in a process of its own.

begin HOST PORT CONTROL_URL FOLDER   it takes small1, and dies when it has its snapshot
go on HOST PORT CONTROL_URL FOLDER   its next worker takes that job over
again [VERSION]                      a restored one is to replicate small1, and must not. It has
                                     given that version of the manifest, and not written it
take FOLDER [--take-over]            one with an empty database is to take the repository up
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.core.management import call_command
from django.db.models.functions import Greatest

from contexts import messages as context_messages
from contexts.models import VCenter, VMContext
from replication import messages
from replication.manifests import writing
from replication.models import RecoveryPoint, ReplicaManifest, ReplicationJob
from replication.scheduler import tick
from replication.services import start
from replication.sync import runner
from tests.sync.estate import Estate
from vmrep.lab.control.client import LabControl


def main(what: str, *arguments: str) -> None:
    context_messages.send = messages.send = lambda *message: None  # type: ignore[assignment]
    if what == "again":
        ReplicaManifest.objects.update(version=Greatest("version", int(*arguments)))
        _again()
        return
    if what == "take":
        call_command("restore_repository", *arguments)
        tick.tick()
        writing.write_due()
        return
    host, port, control_url, folder = arguments
    lab: Any = SimpleNamespace(host=host, port=int(port), control_url=control_url)
    if what == "begin":
        estate = Estate(lab, Path(folder))
        VCenter.objects.update(transport="nfc")
        start.start(estate.take("small1"), trigger="manual", requested_by="ops")
        runner.make_plan = lambda run: os._exit(0)
        runner.run_next()
    else:
        estate = Estate.__new__(Estate)
        estate.repository_folder = Path(folder) / "repository"
        Estate.take_over(estate)
        ReplicationJob.objects.update(next_attempt_at=None)
        runner.run_next()
        _require_equal(control_url, Path(folder) / "repository")


def _again() -> None:
    tick.tick()
    job = start.start(VMContext.objects.get(), trigger="manual", requested_by="ops")
    runner.run_next()
    job.refresh_from_db()
    assert "restore_repository" in job.error_message, (job.status, job.error_message)


def _require_equal(control_url: str, repository: Path) -> None:
    job = ReplicationJob.objects.order_by("-created_at", "-id")[0]
    assert job.status == "completed", (job.status, job.error_message)
    estate = Estate.__new__(Estate)
    estate.control, estate.repository_folder = LabControl(control_url), repository
    estate.assert_equal_to_snapshot(RecoveryPoint.objects.get(job=job))
