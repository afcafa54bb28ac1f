"""`manage.py prune_audit`: write the oldest events to a file, then remove them."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from contexts.clock import database_now
from vmrep.trail import pruning
from vmrep.trail.lines import json_line
from vmrep.trail.management.commands.export_audit import events_after
from vmrep.trail.models import Head


class Command(BaseCommand):
    help = (
        "Write the events that are older than so many days to a new file (JSON, one a line), make"
        " it durable, then remove them. The trail keeps the number and the digest of the last one,"
        " and tells of it in an event. Nothing does this by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than-days", type=int, required=True)
        parser.add_argument("--to", required=True, help="the file, which must not be there yet")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["older_than_days"] < 1:
            raise CommandError("Give at least one day.")
        before = database_now() - timedelta(days=options["older_than_days"])
        last = pruning.older_than(before).values_list("number", flat=True).last()
        if last is None:
            self.stdout.write("No event is that old.")
            return
        begin = Head.objects.values_list("pruned_through", flat=True).get()
        _write(Path(options["to"]), begin, last)
        mark = pruning.prune(last)
        self.stdout.write(f"{mark.rows} events are in {options['to']} and no longer in the trail.")
        self.stdout.write(f"{mark.through}:{mark.digest}")


def _write(path: Path, after: int, through: int) -> None:
    """Readable by this account alone, and durable before anything is removed."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise CommandError(f"{path} cannot be made: {problem.strerror}.") from problem
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        for event in events_after(after, through):
            file.write(json_line(event) + "\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
