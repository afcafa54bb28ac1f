"""Reports problems of the database and of Redis when a process starts."""

from __future__ import annotations

import logging

from django.core import checks
from django.db import connections

from vmrep.checks import REDIS

log = logging.getLogger(__name__)


def report_database() -> None:
    """Log what `manage.py check --database default` finds.

    The process starts anyway: its own connections enforce every rule. The connection is closed, so
    that processes forked from this one do not inherit it.
    """
    try:
        for problem in checks.run_checks(
            tags=[checks.Tags.database], databases=["default"], include_deployment_checks=False
        ):
            log.warning("%s", problem)
    finally:
        connections.close_all()


def report_redis() -> None:
    """Log what `manage.py check --deploy --tag redis` finds."""
    for problem in checks.run_checks(tags=[REDIS], include_deployment_checks=True):
        log.warning("%s", problem)
