"""1,200 VMs at once by a worker that is killed again and again: each of them exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now

from contexts.models import VMContext
from replication.models import BulkAction, ContextLease, ReplicationJob
from replication.services import bulk_acts
from replication.services.bulk_acts import Arguments
from replication.states import BulkState
from tests import factories
from tests.e2e.conftest import environment

VMS = 1200
KILLED_AT = (1, 250, 700)
WORKER = """
import django
django.setup()
from replication import messages
messages.send = lambda *message: None
from replication.services import bulk_acts
while bulk_acts.run_next():
    pass
"""


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contexts.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def come_to(action: BulkAction) -> int:
    action.refresh_from_db()
    return action.come_to


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_starts_each_vm_once(tmp_path: Path) -> None:
    vms = factories.contexts(f"vm{number:04}" for number in range(VMS))
    busy = {factories.pending_job(vm).pk for vm in vms[::100]}
    action = bulk_acts.ask(
        "replicate", VMContext.objects.all(), Arguments(), trigger="manual", actor="ops"
    )
    connection.close()
    for stop_at in (*KILLED_AT, VMS):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER], env=environment("redis://127.0.0.1:1/0", tmp_path)
        )
        while come_to(action) < stop_at and worker.poll() is None:
            time.sleep(0.01)
        if stop_at == VMS:
            assert worker.wait(timeout=300) == 0
            break
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL, "it ended before it could be killed"
        assert action.state == BulkState.RUNNING
        # Its claim is over after a while.
        BulkAction.objects.update(claimed_until=Now())
    assert come_to(action) == VMS
    assert (action.state, action.done, action.refused) == ("ended", VMS - len(busy), len(busy))
    assert set(VMContext.objects.values_list("total_jobs_run", flat=True)) == {1}
    assert ReplicationJob.objects.count() == VMS
    refused = action.items.filter(state="refused").values_list("vm_context", flat=True)
    assert set(refused) == {vm.pk for vm in vms[::100]}
    assert not ContextLease.objects.exists()
