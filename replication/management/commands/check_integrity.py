"""`manage.py check_integrity`: checks what vmrep stores, and looks for orphans."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from replication.errors import IntegrityCheckRunning
from replication.integrity import runs
from replication.integrity.findings import Scope
from replication.models import IntegrityFinding, IntegrityRun
from replication.states import IntegrityOutcome


class Command(BaseCommand):
    help = (
        "Recompute everything that is stored twice, and look for orphans: rows, files in "
        "repositories, snapshots at the vCenters. Exit code 0: nothing is wrong; 1: something is; "
        "2: not checked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--repair",
            action="store_true",
            help="repair what has only one safe repair (never a file or a snapshot), and report it",
        )
        parser.add_argument(
            "--deep",
            action="store_true",
            help="also check every image's tables and digest file; no content is read",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = runs.run_now(Scope(deep=options["deep"]), actor=user(), repair=options["repair"])
        except IntegrityCheckRunning as problem:
            raise CommandError(str(problem), returncode=2) from problem
        write = self._as_json if options["json"] else self._as_text
        write(run)
        if run.outcome == IntegrityOutcome.BROKEN_OFF:
            sys.exit(2)
        if run.outcome != IntegrityOutcome.OK:
            sys.exit(1)

    def _as_json(self, run: IntegrityRun) -> None:
        left, repaired = _findings(run)
        self.stdout.write(
            json.dumps(
                {
                    "ok": run.outcome == IntegrityOutcome.OK,
                    "outcome": run.outcome,
                    "started_at": run.started_at.isoformat() if run.started_at else None,
                    "completed_at": run.completed_at.isoformat() if run.completed_at else None,
                    "deep": run.deep,
                    "findings": [_as_dict(finding) for finding in left],
                    "repaired": [_as_dict(finding) for finding in repaired],
                }
            )
        )

    def _as_text(self, run: IntegrityRun) -> None:
        left, repaired = _findings(run)
        for finding in repaired:
            self.stdout.write(f"repaired {finding.code}: {_line(finding)}")
            self.stdout.write(f"  was: {shown(finding.what)}")
            self.stdout.write(f"  done: {shown(finding.repaired)}")
        for finding in left:
            self.stdout.write(f"{finding.severity} {finding.code}: {_line(finding)}")
            self.stdout.write(f"  {shown(finding.what)}")
            self.stdout.write(f"  remedy: {shown(finding.remedy)}")
        if run.outcome == IntegrityOutcome.BROKEN_OFF:
            self.stdout.write(f"The check did not finish. {run.error_message}")
        elif left:
            can = sum(finding.repairable for finding in left)
            hint = f" --repair can fix {can} of them." if can and not run.repair else ""
            self.stdout.write(f"Findings: {len(left)}.{hint}")
        else:
            self.stdout.write("Nothing is wrong now." if repaired else "Nothing is wrong.")


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user ID without a name, as in some containers
        return "command line"


def _findings(run: IntegrityRun) -> tuple[list[IntegrityFinding], list[IntegrityFinding]]:
    """What is still wrong, and what was repaired."""
    findings = list(run.findings.order_by("id"))
    return (
        [finding for finding in findings if not finding.repaired],
        [finding for finding in findings if finding.repaired],
    )


def _as_dict(finding: IntegrityFinding) -> dict[str, Any]:
    return {
        name: getattr(finding, name)
        for name in (
            *("code", "severity", "context_id", "vm_name", "job_id"),
            *("what", "remedy", "repairable", "repaired"),
        )
    }


def _line(finding: IntegrityFinding) -> str:
    """The VM, context and job that the finding is about."""
    about = [finding.vm_name, finding.context_id, finding.job_id]
    return shown(", ".join(part for part in about if part)) or "vmrep"


def shown(text: str) -> str:
    """Safe for a terminal: control characters in a VM's name are hostile there."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
