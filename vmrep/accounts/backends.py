"""Whose session a request was made with. Every request asks, and every poll of a page is one."""

from __future__ import annotations

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User

from contexts.compiled import ByKey

BY_PASSWORD = "vmrep.accounts.backends.ByPassword"  # noqa: S105
_USERS = ByKey(User)


class ReadsUsers:
    """For Django's backends: reads a user by a query that is written once."""

    def get_user(self, user_id: int) -> User | None:
        user = _USERS.get(user_id)
        return user if user is not None and user.is_active else None


class ByPassword(ReadsUsers, ModelBackend):
    """Users with a password of vmrep's own."""
