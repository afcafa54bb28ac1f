"""`manage.py sign_out`: ends all sessions of a user, and the user's tokens if that is wanted."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from vmrep.accounts import sessions, tokens
from vmrep.accounts.models import Session, Token


class Command(BaseCommand):
    help = "End all sessions of a user; with --tokens, revoke the user's API tokens, too."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--tokens", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        if not get_user_model()._default_manager.filter(username=name).exists():
            raise CommandError(f"There is no user {name!r}.")
        ended = sessions.end(Session.objects.filter(user__username=name))
        self.stdout.write(f"{ended} sessions of {name} were ended.")
        of_user = Token.objects.filter(user__username=name)
        if options["tokens"]:
            self.stdout.write(f"{tokens.revoke(of_user)} tokens were revoked.")
        elif of_user.exists():
            self.stdout.write(f"{of_user.count()} tokens still hold: --tokens revokes them.")
