"""A report as a file for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from contexts.text import printable
from replication.reports.daily import Report


class _Echo:
    """Gives back what is written to it: a line at a time."""

    def write(self, line: str) -> str:
        return line


def lines(report: Report) -> Iterator[str]:
    """The breaches of the day, the longest first. Times are UTC."""
    writer = csv.writer(_Echo())
    yield writer.writerow(
        ["vm", "context_id", "state", "began_at", "ended_at", "seconds", "worst_age_seconds"]
    )
    for each in report.breaches:
        yield writer.writerow(
            _harmless(
                (
                    *(each.vm_name or "", each.context_id, each.state),
                    each.began_at.isoformat(timespec="seconds"),
                    "" if each.ended_at is None else each.ended_at.isoformat(timespec="seconds"),
                    round(each.seconds),
                    "" if each.worst_age_seconds is None else round(each.worst_age_seconds),
                )
            )
        )


def _harmless(cells: Iterable[object]) -> list[str]:
    """A name that a spreadsheet would calculate becomes text; what turns the direction of writing
    is shown as an escape."""
    found = [printable(str(cell)) for cell in cells]
    return [f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell for cell in found]
