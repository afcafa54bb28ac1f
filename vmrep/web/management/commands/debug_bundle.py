"""`manage.py debug_bundle`: all that is known about one job, without secrets."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from contexts import trail
from replication.models import RepositorySign, SignOfLife, VCenterSign
from replication.selectors.health import Parts
from replication.selectors.jobs import jobs_for_list
from vmrep import bundle


class Command(BaseCommand):
    help = "Write a ZIP archive with all that is known about a job, without secrets."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", help="the job's ID")
        parser.add_argument(
            "--folder", type=Path, default=Path(), help="where to write it (default: here)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        job = jobs_for_list().filter(pk=options["job"]).first()
        if job is None:
            raise CommandError(f"There is no replication job {options['job']!r}.")
        everything = Parts(
            SignOfLife.objects.all(), VCenterSign.objects.all(), RepositorySign.objects.all()
        )
        made = bundle.make(job, everything, actor=trail.source().actor)
        file = options["folder"] / made.name
        try:
            with file.open("xb") as archive:
                archive.write(made.content)
        except OSError as problem:
            raise CommandError(f"{file} cannot be written: {problem.strerror}.") from problem
        self.stdout.write(f"Wrote {file} ({len(made.content):,} bytes).")
