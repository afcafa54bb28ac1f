"""Who is signed in, from where, and since when."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from contexts.constraints import ColumnTypes
from vmrep.client_address import LONGEST


class Session(AbstractBaseSession):
    """A browser's session. `session_key` is a digest of the cookie's value: who reads this table
    can take over no session."""

    session_key = models.CharField(max_length=64, primary_key=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="sessions",
        null=True,
        help_text="Null: nobody is signed in.",
    )
    signed_in_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(
        help_text="When a page was last asked for by hand, to a few minutes."
    )
    address = models.CharField(max_length=LONGEST, blank=True, default="")
    user_agent = models.CharField(max_length=200, blank=True, default="")

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        db_table = "sessions"
        constraints = [ColumnTypes(name="session_column_types")]

    @classmethod
    def get_session_store_class(cls) -> Any:
        from vmrep.accounts.session_store import SessionStore

        return SessionStore
