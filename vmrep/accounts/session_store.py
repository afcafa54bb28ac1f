"""Sessions in the database: found by a digest of their key, ended when they are idle.

Of Django's store for the database, this changes by what a row is found, and when it is too old.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime

from contexts.clock import about_now
from contexts.compiled import ByKey
from vmrep.accounts.models import Session

SIGNED_IN = "vmrep_signed_in"
"""In a session's data: when its user signed in (`at`), from where (`address`), by which `agent`."""
_SALT = "vmrep.accounts.session"
_ROWS = ByKey(Session)


def digest(session_key: str) -> str:
    """What is stored of a session's key."""
    return str(salted_hmac(_SALT, session_key, algorithm="sha256").hexdigest())


def idle_since() -> datetime:
    """Sessions that were last used before are over."""
    return about_now() - timedelta(seconds=settings.SESSION_IDLE_SECONDS)


class SessionStore(db.SessionStore):
    last_seen_at: datetime | None = None
    """As the row says that was read; None before."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    @property
    def row_key(self) -> str | None:
        """The primary key of the session's row; None if it has none yet."""
        return None if self.session_key is None else digest(self.session_key)

    def _get_session_from_db(self) -> Session | None:
        row = None if self.row_key is None else _ROWS.get(self.row_key)
        if row is None or row.expire_date <= about_now() or row.last_seen_at <= idle_since():
            self._session_key = None
            return None
        self.last_seen_at = row.last_seen_at
        return row

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key=digest(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        signed_in = data.get(SIGNED_IN, {})
        return Session(
            session_key=digest(self._get_or_create_session_key()),  # type: ignore[attr-defined]
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=data.get(SESSION_KEY),
            signed_in_at=parse_datetime(signed_in["at"]) if signed_in else None,
            last_seen_at=about_now(),
            address=signed_in.get("address", ""),
            user_agent=signed_in.get("agent", ""),
        )

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(session_key=digest(key)).delete()
