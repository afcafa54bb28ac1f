"""`manage.py export_audit`: the audit trail for other programs."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand

from vmrep.trail.lines import FORMATS
from vmrep.trail.models import Event

AT_ONCE = 2000


class Command(BaseCommand):
    help = "Print the audit trail, the oldest event first, one a line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=sorted(FORMATS), default="json")
        parser.add_argument(
            "--after", type=int, default=0, help="only events with a higher number than this"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        line = FORMATS[options["format"]]
        for event in events_after(options["after"]):
            self.stdout.write(line(event))


def events_after(number: int, through: int | None = None) -> Iterator[Event]:
    """A few at a time: no transaction stays open, and memory does not grow with the trail."""
    rows = Event.objects.order_by("number")
    if through is not None:
        rows = rows.filter(number__lte=through)
    while some := list(rows.filter(number__gt=number)[:AT_ONCE]):
        yield from some
        number = some[-1].number
