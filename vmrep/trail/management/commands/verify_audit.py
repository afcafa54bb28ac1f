"""`manage.py verify_audit`: whether the audit trail and the events of VMs are what was written."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from collections.abc import Sized
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from contexts import event_chains
from contexts.text import plural, printable
from vmrep.trail.verify import Anchor, verify

_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


class Command(BaseCommand):
    help = (
        "Read the audit trail and the events of VMs, and compare each event with its digest, its"
        " place and its seal. Exit code 0: nothing is wrong; 1: something is. Keep the last line"
        " elsewhere, and give it the next time as --anchor: then nobody can have replaced the end"
        " of the trail either."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor", default="", help="NUMBER:DIGEST of an event, as an earlier run printed it"
        )
        parser.add_argument(
            "--newest",
            type=int,
            default=None,
            help="read only so many of the newest events; of the VMs of which so many of the VMs'"
            " newest events tell, so many events of each",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = verify(newest=options["newest"], anchor=_anchor(options["anchor"]))
        for fault in found.faults:
            self.stdout.write(fault.what)
        if found.old_seals:
            self.stdout.write(
                f"{plural(found.old_seals, 'event is', 'events are')} sealed by keys that are not"
                " here any more; later events vouch for that."
            )
        of_vms = _of_vms(options["newest"])
        for of_vm in of_vms.faults:
            self.stdout.write(printable(f"{of_vm.context_id}: {of_vm.what}"))
        self.stdout.write(
            f"{plural(of_vms.events, 'event')} of {plural(of_vms.contexts, 'VM')} read:"
            f" {_verdict(of_vms.faults)}."
        )
        self.stdout.write(f"{plural(found.events, 'event')} read: {_verdict(found.faults)}.")
        self.stdout.write(f"{found.number}:{found.digest}")
        if found.faults or of_vms.faults:
            sys.exit(1)


def _of_vms(newest: int | None) -> event_chains.Verified:
    among = None if newest is None else event_chains.lately(newest)
    return event_chains.verify(among, newest=newest)


def _verdict(faults: Sized) -> str:
    return f"{len(faults)} faults" if faults else "nothing is wrong"


def _anchor(text: str) -> Anchor | None:
    if not text:
        return None
    given = _ANCHOR.fullmatch(text.strip())
    if given is None:
        raise CommandError("An anchor is NUMBER:DIGEST, as an earlier run printed it.")
    return Anchor(int(given[1]), given[2])
