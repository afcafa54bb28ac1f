"""`vmrep login` and `vmrep logout`."""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import replace
from pathlib import Path

from vmrep.client import login
from vmrep.client.errors import ClientError, NotReached, Refused
from vmrep.client.generated import models
from vmrep.client.login import Login
from vmrep.client.output import Output


def enter(wanted: argparse.Namespace, output: Output) -> bool:
    """Makes a token by the password, which is not kept, or takes one that there is."""
    ca_file = str(Path(wanted.ca_file).resolve()) if wanted.ca_file else None
    nobody = Login(
        wanted.url,
        "",
        ca_file=ca_file,
        fingerprint=wanted.fingerprint,
        allow_http=wanted.allow_http,
    )
    made = _with_token(nobody) if wanted.token_stdin else _with_password(nobody, wanted)
    path = login.keep(made)
    output.say(f"Logged in at {made.url}; the token is kept in {path}.")
    return True


def _with_token(nobody: Login) -> Login:
    token = sys.stdin.readline().strip()
    made = replace(nobody, token=token)
    with made.client() as client:
        client.get_root()  # whether the token is known, before it is kept
        return replace(made, url=client.transport.server)


def _with_password(nobody: Login, wanted: argparse.Namespace) -> Login:
    with nobody.client() as client:
        user = wanted.user or _asked("User: ")
        if wanted.password_stdin:
            password = sys.stdin.readline().rstrip("\n")
        else:
            password = getpass.getpass("Password: ")
        body: models.Login = {
            "username": user,
            "password": password,
            "name": f"vmrep of {getpass.getuser()}"[:60],
            "scope": wanted.scope,
            "expires_in_days": wanted.days,
        }
        answer = client.post_token(body)
        return replace(
            nobody, url=client.transport.server, token=answer["token"], token_id=answer["id"]
        )


def _asked(words: str) -> str:
    if not sys.stdin.isatty():
        raise ClientError("Say who you are: --user NAME.")
    return input(words)


def leave(wanted: argparse.Namespace, output: Output) -> bool:
    """Revokes the token that `vmrep login` made. One that was given to it stays valid."""
    kept = login.stored()
    try:
        if kept.token_id is not None:
            with kept.client() as client:
                client.delete_token_detail(kept.token_id)
    except (Refused, NotReached) as problem:
        output.tell(f"The token is not revoked: {problem}")
    login.forget()
    output.say(f"Logged out of {kept.url}.")
    return True
