"""`manage.py verify`: reads recovery points back, and compares them with what was copied."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from contexts.errors import ContextError
from contexts.models import VMContext
from contexts.text import storable
from replication.management.commands.check_integrity import shown, user
from replication.models import PointVerification, RecoveryPoint
from replication.states import RecoveryPointState, Trigger, VerificationState
from replication.verify import run, services
from replication.verify.selectors import as_dict

_FAILED = (VerificationState.IMPOSSIBLE, VerificationState.FAILED, VerificationState.CANCELLED)


class Command(BaseCommand):
    help = (
        "Read recovery points back, whole, past the page cache, and compare every chunk with its"
        " digest. Exit code 0: all are as they were copied; 1: one is damaged; 2: one was not"
        " verified."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "what",
            nargs="?",
            metavar="POINT|VM",
            help="a recovery point's number, or a VM's name or context ID (its newest point)",
        )
        parser.add_argument("--all", action="store_true", help="the newest point of every VM")
        parser.add_argument(
            "--every-point", action="store_true", help="not only the newest one: the oldest first"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["what"]) == options["all"]:
            raise CommandError("Name a recovery point or a VM, or say --all.", returncode=2)
        actor = user()
        done: list[PointVerification] = []
        problems: list[str] = []
        for point in _chosen(options["what"], every=options["every_point"]):
            try:
                asked = services.request(point, trigger=Trigger.MANUAL, actor=actor)
            except ContextError as problem:
                problems.append(str(problem))
                continue
            run.run_to_the_end(asked)
            done.append(asked)
            if not options["json"]:
                self._tell(asked)
        if options["json"]:
            verified = [as_dict(each) for each in done]
            self.stdout.write(json.dumps({"verifications": verified, "problems": problems}))
        else:
            for problem_words in problems:
                self.stdout.write(f"not verified: {shown(problem_words)}")
        states = {each.state for each in done}
        if VerificationState.DAMAGED in states:
            sys.exit(1)
        if problems or not done or states.intersection(_FAILED):
            sys.exit(2)

    def _tell(self, verification: PointVerification) -> None:
        point, vm = verification.recovery_point, verification.vm_context
        self.stdout.write(
            shown(
                f"{vm}, recovery point {point.pk} of {point.consistent_at:%Y-%m-%d %H:%M:%S} UTC:"
                f" {verification.get_state_display().lower()}"
            )
        )
        if verification.problem:
            self.stdout.write(f"  {shown(verification.problem)}")
        for damage in verification.damages.order_by("pk"):
            self.stdout.write(f"  {shown(damage.what)}")
        if verification.state == VerificationState.DAMAGED:
            self.stdout.write(f"  remedy: {services.REMEDY}")


def _chosen(what: str | None, *, every: bool) -> Iterator[RecoveryPoint]:
    """Raises CommandError when there is no such point."""
    available = RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE)
    points = available.select_related("vm_context")
    if what is None:
        for key in list(
            points.order_by("vm_context").values_list("vm_context", flat=True).distinct()
        ):
            yield from _of_vm(points, key, every=every)
        return
    if what.isascii() and what.isdigit() and (found := points.filter(pk=int(what[:18])).first()):
        yield found
        return
    name = storable(what)
    contexts = VMContext.objects.filter(pk=name) | VMContext.objects.filter(vm_name=name)
    keys = list(contexts.order_by("pk").values_list("pk", flat=True)[:3])
    if not keys:
        raise CommandError(f"There is no recovery point and no VM “{shown(what)}”.", returncode=2)
    if len(keys) > 1:
        said = ", ".join(keys)
        raise CommandError(f"Several VMs have that name: name one of {said}.", returncode=2)
    chosen = list(_of_vm(points, keys[0], every=every))
    if not chosen:
        raise CommandError(f"{keys[0]} has no recovery point yet.", returncode=2)
    yield from chosen


def _of_vm(points: QuerySet[RecoveryPoint], context_id: str, *, every: bool) -> list[RecoveryPoint]:
    """All, the oldest first, or the newest."""
    oldest_first = list(points.filter(vm_context=context_id).order_by("consistent_at", "id"))
    return oldest_first if every else oldest_first[-1:]
