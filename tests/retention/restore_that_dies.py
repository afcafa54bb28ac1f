"""A restore that is killed with -9 before the n-th statement that changes the database."""

from __future__ import annotations

import itertools
import os
import signal
from typing import Any

from django.core.management import call_command
from django.db import connection


def main(folder: str, number: str) -> None:
    """In a process of its own (`nursery`)."""
    changes = itertools.count(1)

    def execute(run: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not sql.startswith("SELECT") and next(changes) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return run(sql, parameters, many, context)

    with connection.execute_wrapper(execute):
        call_command("restore_repository", folder, "--take-over")
