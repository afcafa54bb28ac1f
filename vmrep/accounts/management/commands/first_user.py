"""`manage.py first_user`: makes the first user, an admin."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from vmrep.accounts import first_user


class Command(BaseCommand):
    help = "Make the first user, an admin, while there is none. The password is asked for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", default="admin", help="(default: admin)")
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="read the password from the first line of standard input, for scripts",
        )
        parser.add_argument(
            "--code",
            action="store_true",
            help="print the set-up code instead, which the page /setup/ asks for",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not first_user.is_missing():
            raise CommandError("There is a user already.")
        if options["code"]:
            self.stdout.write(first_user.code())
            return
        password = _from_stdin() if options["password_stdin"] else _asked()
        try:
            first_user.make(options["name"], password)
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from problem
        except first_user.SetUpClosed as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(f"{options['name']} is an admin, and can log in.")


def _from_stdin() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _asked() -> str:
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise CommandError("The two passwords differ.")
    return password
