"""A report as a file for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator

from replication.reports.daily import Report
from vmrep.web import csv_files
from vmrep.web.csv_cells import BREACHES


def lines(report: Report) -> Iterator[str]:
    """The breaches of the day, the longest first. Times are UTC."""
    return csv_files.lines(BREACHES, report.breaches)
