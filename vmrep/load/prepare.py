"""Fills one database, and reports, as JSON, what can be asked for there.

python -m vmrep.load.prepare --contexts N --jobs M --sessions S --report FILE
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
from pathlib import Path

import django

ASKED_FOR = 2000


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--contexts", "--jobs", "--sessions"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--report", type=Path, required=True)
    wanted = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from contexts.models import VMContext
    from replication.models import ReplicationJob
    from vmrep.accounts import tokens
    from vmrep.accounts.models import TokenOrigin, TokenScope
    from vmrep.bench import estate
    from vmrep.bench.prepare import sessions

    call_command("migrate", verbosity=0)
    made = estate.generate(wanted.contexts, wanted.jobs)
    password = secrets.token_urlsafe(16)
    user = User.objects.create_superuser("load", password=password)
    managed = VMContext.objects.filter(unmanaged_at__isnull=True).order_by("?")
    jobs = ReplicationJob.objects.order_by("-created_at")
    token = tokens.make(user, name="load", scope=TokenScope.WRITE, days=1, origin=TokenOrigin.API)
    report = {
        "made": {"contexts": made.contexts, "jobs": made.jobs},
        "username": user.get_username(),
        "password": password,
        "token": token.key,
        "contexts": list(managed.values_list("pk", flat=True)[:ASKED_FOR]),
        "jobs": list(jobs.values_list("pk", flat=True)[:ASKED_FOR]),
        "sessions": sessions(wanted.sessions),
    }
    wanted.report.write_text(json.dumps(report))


if __name__ == "__main__":
    main()
