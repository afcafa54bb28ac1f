"""Fills one database for the measurement and reports, as JSON, what can be requested there.

python -m vmrep.bench.prepare --contexts N --jobs M --sessions S --report FILE
"""

from __future__ import annotations

import argparse
import json
import os
from importlib import import_module
from pathlib import Path

import django


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--contexts", "--jobs", "--sessions"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--report", type=Path, required=True)
    wanted = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    from django.core.management import call_command

    from vmrep.bench import estate

    call_command("migrate", verbosity=0)
    made = estate.generate(wanted.contexts, wanted.jobs)
    report = {"contexts": made.contexts, "jobs": made.jobs, "context_id": _a_usual_context()}
    wanted.report.write_text(json.dumps(report | {"sessions": sessions(wanted.sessions)}))


def _a_usual_context() -> str:
    """A VM with as much history as most others, for its panel."""
    from contexts.models import VMContext
    from contexts.states import ContextStatus

    usual = VMContext.objects.filter(current_status=ContextStatus.READY, disk_count=1)
    context_id: str = usual.order_by("vcenter_id", "pk").values_list("pk", flat=True)[0]
    return context_id


def sessions(count: int) -> list[str]:
    """Logged-in sessions, each of another user."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User

    from vmrep.accounts.backends import BY_PASSWORD

    store = import_module(settings.SESSION_ENGINE).SessionStore
    keys = []
    for number in range(count):
        user = User.objects.create_user(f"browser-{number}", is_superuser=True)
        session = store()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = BY_PASSWORD
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        keys.append(session.session_key)
    return keys


if __name__ == "__main__":
    main()
