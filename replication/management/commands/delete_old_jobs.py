"""`manage.py delete_old_jobs`: deletes jobs that ended long ago and that nothing needs."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from contexts.text import plural
from replication.services import old_jobs


def _days(text: str) -> int:
    """A whole number of days, from 1 to a hundred years."""
    if text.isdigit() and 1 <= int(text) <= 36_500:
        return int(text)
    raise argparse.ArgumentTypeError("give a whole number of days, 1 to 36500")


class Command(BaseCommand):
    help = (
        "Delete replication jobs that ended more than N days ago, with their steps and CBT history."
        " Jobs that a recovery point or a VM's record refers to are kept, and so are jobs that left"
        " something to clean up. Counters and events are kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--older-than-days", type=_days, required=True, metavar="N")
        parser.add_argument("--dry-run", action="store_true", help="only report, delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run = options["dry_run"]
        outcome = old_jobs.delete_old_jobs(
            timedelta(days=options["older_than_days"]), dry_run=dry_run
        )
        verb = "Would delete" if dry_run else "Deleted"
        self.stdout.write(f"{verb} {plural(outcome.deleted, 'job')}, kept {outcome.kept.total()}.")
        for reason, count in sorted(outcome.kept.items()):
            self.stdout.write(f"  kept {count}: {reason}")
