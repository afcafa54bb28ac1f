"""`manage.py unlock`: lets somebody log in again after too many failed logins."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vmrep.accounts import lockout


class Command(BaseCommand):
    help = "Forget the failed logins of a user name, or of an address, so that it may log in again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="of the user, as it was typed")
        parser.add_argument("--address", help="forget all that failed from this address")

    def handle(self, *args: Any, **options: Any) -> None:
        name, address = options["name"], options["address"]
        if (name is None) == (address is None):
            raise CommandError("Give a user name or --address, and not both.")
        count = lockout.unlock(name=name, address=address)
        self.stdout.write(f"{count} failed logins of {name or address} are forgotten.")
