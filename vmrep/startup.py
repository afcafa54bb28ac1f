"""What a process that starts says about the database that it is going to work with."""

from __future__ import annotations

import logging

from django.core import checks
from django.db import connections

log = logging.getLogger(__name__)


def report_database() -> None:
    """Log what `manage.py check --database default` finds.

    The process starts all the same: its own connections keep every rule. The connection is closed,
    so that no process that is forked from this one inherits it.
    """
    try:
        for problem in checks.run_checks(
            tags=[checks.Tags.database], databases=["default"], include_deployment_checks=False
        ):
            log.warning("%s", problem)
    finally:
        connections.close_all()
