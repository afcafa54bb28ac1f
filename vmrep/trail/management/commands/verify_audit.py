"""`manage.py verify_audit`: whether the audit trail is what was written."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vmrep.trail.verify import Anchor, verify

_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


class Command(BaseCommand):
    help = (
        "Read the audit trail and compare each event with its digest, its place and its seal. Exit"
        " code 0: nothing is wrong; 1: something is. Keep the last line elsewhere, and give it the"
        " next time as --anchor: then nobody can have replaced the end of the trail either."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor", default="", help="NUMBER:DIGEST of an event, as an earlier run printed it"
        )
        parser.add_argument(
            "--newest", type=int, default=None, help="read only so many of the newest events"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = verify(newest=options["newest"], anchor=_anchor(options["anchor"]))
        for fault in found.faults:
            self.stdout.write(fault.what)
        if found.old_seals:
            self.stdout.write(
                f"{found.old_seals} events are sealed by keys that are not here any more; later"
                " events vouch for them."
            )
        verdict = f"{len(found.faults)} faults" if found.faults else "nothing is wrong"
        self.stdout.write(f"{found.events} events read: {verdict}.")
        self.stdout.write(f"{found.number}:{found.digest}")
        if found.faults:
            sys.exit(1)


def _anchor(text: str) -> Anchor | None:
    if not text:
        return None
    given = _ANCHOR.fullmatch(text.strip())
    if given is None:
        raise CommandError("An anchor is NUMBER:DIGEST, as an earlier run printed it.")
    return Anchor(int(given[1]), given[2])
