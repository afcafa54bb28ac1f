"""Several worker processes at once, until no job is left that could begin."""

import os
import sys
import time
import traceback

from django.db import connection

from replication import messages
from replication.models import ReplicationJob
from replication.states import JobStatus
from replication.sync import runner

WAIT_SECONDS = 100


def work() -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    active = [JobStatus.PENDING, JobStatus.RUNNING]
    while ReplicationJob.objects.filter(status__in=active).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("jobs are left that no worker runs")
        if runner.run_next() is None:
            time.sleep(0.1)


def main(count: str) -> None:
    """In a process of its own (`nursery`), which ends with the last worker."""
    messages.send = lambda *message: None
    connection.close()
    children = []
    for _ in range(int(count)):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work()
                code = 0
            finally:
                if code:
                    traceback.print_exc()
                    sys.stderr.flush()
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(codes):
        raise RuntimeError(f"workers ended with {codes}")
