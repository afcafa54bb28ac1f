"""Many VMs with a long history, to see how vmrep copes with them.

manage.py generate_estate --settings vmrep.bench.settings
"""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vmrep.bench import estate


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10_000_000:
        return int(text)
    raise argparse.ArgumentTypeError("give a whole number from 1 to 10000000")


class Command(BaseCommand):
    help = (
        "Fill an empty database with VMs under management and their history, for evaluation and"
        " measurements. The vCenters and replicas do not exist: do not start workers on it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--contexts", type=_number, required=True, metavar="N")
        parser.add_argument("--jobs", type=_number, required=True, metavar="M")
        parser.add_argument(
            "--i-know",
            action="store_true",
            help="Fill a database that has vCenters, too: this cannot be undone.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tell = self._tell if options["verbosity"] and self.stdout.isatty() else _nothing
        try:
            made = estate.generate(
                options["contexts"],
                options["jobs"],
                into_a_used_database=options["i_know"],
                on_progress=tell,
            )
        except estate.EstateRefused as problem:
            raise CommandError(f"{problem} (--i-know does it anyway.)") from problem
        self.stdout.write(f"Made {made.contexts} VM contexts with {made.jobs} jobs.")

    def _tell(self, made: estate.Made) -> None:
        self.stdout.write(f"\r{made.contexts} contexts, {made.jobs} jobs", ending="")
        self.stdout.flush()


def _nothing(_made: estate.Made) -> None:
    """Nobody watches."""
