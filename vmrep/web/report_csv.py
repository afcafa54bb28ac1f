"""A report as a file for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator

from replication.reports.daily import Report
from vmrep.web import csv_files


def lines(report: Report) -> Iterator[str]:
    """The breaches of the day, the longest first. Times are UTC."""
    yield csv_files.line(
        (
            *("vm", "context_id", "state", "began_at", "ended_at", "seconds"),
            *("worst_age_seconds", "warned_seconds"),
        )
    )
    for each in report.breaches:
        age, warned = each.worst_age_seconds, each.warned_seconds
        yield csv_files.line(
            (
                *(each.vm_name, each.context_id, each.state, each.began_at, each.ended_at),
                round(each.seconds),
                None if age is None else round(age),
                None if warned is None else round(warned),
            )
        )
