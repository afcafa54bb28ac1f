"""The first user, who is an admin. There is no default password, nor one that anybody knows.

While there is no user at all, whoever shows the set-up code may make one. The code is told to those
who see the server's start, or can run its commands; it follows from SECRET_KEY, so that it is the
same for all processes, and is stored nowhere.
"""

from __future__ import annotations

import base64
import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, Group
from django.contrib.auth.password_validation import validate_password
from django.db import DatabaseError, connections, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from contexts import trail
from contexts.errors import ContextError
from vmrep.accounts.roles import Role

_SALT = "vmrep.accounts.first_user"
_LETTERS = 25
"""Of 5 bits."""


class SetUpClosed(ContextError):
    """There is a user already."""

    code = "set_up_closed"


def code() -> str:
    """The set-up code, in groups that people can type."""
    raw = base64.b32encode(salted_hmac(_SALT, "code", algorithm="sha256").digest()).decode()
    return "-".join(raw[at : at + 5] for at in range(0, _LETTERS, 5))


def is_code(typed: str) -> bool:
    """Whether it is the set-up code, however it was typed."""
    bare = "".join(letter for letter in typed.upper() if letter.isalnum())
    return constant_time_compare(bare, code().replace("-", ""))


def is_missing() -> bool:
    """Whether there is no user yet."""
    return not _users().exists()


def make(name: str, password: str) -> AbstractBaseUser:
    """The first user, an admin. Raises SetUpClosed if there is one, ValidationError for a name or a
    password that cannot be."""
    user: Any = get_user_model()(username=name, is_superuser=True, is_staff=True)
    validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    with transaction.atomic(), trail.gathered():
        # Of several at once, the one who gets this row first; the others then see a user.
        Group.objects.select_for_update().get(name=Role.ADMIN)
        if not is_missing():
            raise SetUpClosed("There is a user already. Log in, or ask an admin for an account.")
        user.save()
    return user


def announce(page: str) -> None:
    """Tells whoever starts the server how to make the first user. Not through the log, which may be
    kept and read elsewhere."""
    try:
        missing = is_missing()
    except DatabaseError:
        return  # not migrated, or away: what the database lacks is reported elsewhere
    finally:
        connections.close_all()  # processes that are forked from this one have their own
    if missing:
        sys.stderr.write(
            f"\n    vmrep has no user yet. Make the first one, an admin, at {page}\n"
            f"    with the set-up code {code()}\n\n"
        )
        sys.stderr.flush()


def _users() -> Any:
    return get_user_model()._default_manager
