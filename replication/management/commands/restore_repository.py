"""`manage.py restore_repository`: takes a repository up from what it says of itself."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from contexts import trail
from contexts.errors import ContextError
from contexts.text import plural, printable
from replication.engine.errors import EngineError
from replication.manifests.restoring import Report, restore
from vmrep.command_line import by_caller


class Command(BaseCommand):
    help = (
        "Take up a repository whose database was lost, or restored from an older backup: its VMs "
        "with their recovery points come back from the manifests in it. Stop all workers first. "
        "Files are only read. Exit code 0: all VMs are known now; 1: some were refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the repository's folder, as workers see it")
        parser.add_argument("--name", default="", help="what to call it, if not as before")
        parser.add_argument(
            "--leave-out",
            action="store_true",
            help="leave out recovery points whose files are missing or damaged; without this their "
            "VM is refused",
        )
        parser.add_argument(
            "--take-over",
            action="store_true",
            help="take the repository from the installation of vmrep that used it, which must be "
            "gone or stopped; it leaves the repository alone from then on",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done, and do nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic() if options["dry_run"] else nullcontext(), by_caller():
                report = restore(
                    options["path"],
                    actor=trail.source().actor,
                    is_dry=options["dry_run"],
                    name=options["name"],
                    leave_out=options["leave_out"],
                    take_over=options["take_over"],
                    on_vm=lambda vm: self.stderr.write(f"{printable(vm)} …"),
                )
                if options["dry_run"]:
                    transaction.set_rollback(True)
        except (EngineError, ContextError) as problem:
            raise CommandError(printable(str(problem)), returncode=2) from problem
        self._tell(report, is_done=not options["dry_run"])
        if report.refused:
            sys.exit(1)

    def _tell(self, report: Report, *, is_done: bool) -> None:
        done = "restored" if is_done else "would be restored"
        for vm, words in report.restored.items():
            self.stdout.write(f"{done}: {printable(vm)}: {words}")
        for vm in report.known:
            self.stdout.write(f"known already: {printable(vm)}")
        for vm, why in report.refused.items():
            self.stdout.write(f"REFUSED: {printable(vm)}: {printable(why)}")
        self.stdout.write(
            f"Repository {printable(report.repository.name)}: {plural(len(report.restored), 'VM')}"
            f" {done}, {len(report.known)} known already, {len(report.refused)} refused."
        )
        for name in sorted(report.placeholders):
            self.stdout.write(f"To be completed on its page, with its password: {printable(name)}")
        if is_done:
            self.stdout.write("Now run: manage.py check_integrity --deep")
