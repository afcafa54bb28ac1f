"""Prepares the database before anything is started: tables, and an administrator.

A separate process, so that the supervisor needs no Django.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import sys

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from vmrep.local.errors import LocalError
from vmrep.trail import triggers

ADMIN = "admin"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="vmrep.demo.prepare")
    parser.add_argument("--first", action="store_true", help="no demo has used this folder")
    parser.add_argument("--flush", action="store_true", help="empty the database")
    parser.add_argument("--with-admin", action="store_true", help="make an administrator")
    wanted = parser.parse_args(arguments)

    django.setup()
    try:
        # With its checks: they refuse a database that this version cannot use.
        call_command("migrate", interactive=False, verbosity=0, skip_checks=False)
        if wanted.flush:
            triggers.remove(connection)  # a demo begins anew, its audit trail as well
            call_command("flush", interactive=False, verbosity=0)
        if wanted.first:
            _refuse_an_installation()
    except (CommandError, LocalError) as problem:
        print(f"script/demo: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    if wanted.with_admin:
        _make_admin()
    return 0


def _refuse_an_installation() -> None:
    """A demo adds a simulated vCenter, which has no place among real ones."""
    from contexts.models import VCenter

    if VCenter.objects.exists():
        raise LocalError(
            f"the database {settings.DATABASES['default']['NAME']} has vCenters, but no demo was "
            f"started with the data folder {settings.DATA_DIR}. The demo does not touch what may "
            "be an installation; choose another VMREP_DATA_DIR or DATABASE_URL"
        )


def _make_admin() -> None:
    from django.contrib.auth import get_user_model

    users = get_user_model()._default_manager
    admin = users.filter(is_superuser=True).order_by("pk").first()
    if admin is not None:
        _say_how_to_log_in(admin.get_username())
        return
    password = secrets.token_urlsafe(12)
    users.create_superuser(username=ADMIN, email="", password=password)
    print(  # noqa: T201
        f"\n    user: {ADMIN}    password: {password}\n"
        "    Generated just now and shown only this once.\n",
        flush=True,
    )


def _say_how_to_log_in(name: str) -> None:
    """With the command that makes a new password, as somebody may type it in any folder."""
    environment = {"VMREP_DATA_DIR": str(settings.DATA_DIR)}
    if "DATABASE_URL" in os.environ:
        environment["DATABASE_URL"] = "…"  # it may hold a password
    words = [f"{key}={shlex.quote(value)}" for key, value in environment.items()]
    words += [sys.executable, str(settings.BASE_DIR / "manage.py"), "changepassword", name]
    print(  # noqa: T201
        f"\n    Log in as {name} with the password that was shown at the first start.\n"
        f"    Forgotten? In another terminal: {' '.join(words)}\n",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
