"""Sessions: login, logout, idle expiry, and who is asking."""

from __future__ import annotations

import math
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim

from vmrep.lab.soap import codec
from vmrep.lab.world.objects import Managed, World, invalid_argument


class TooManySessions(Exception):
    """The limit of sessions has been reached."""


@dataclass
class Session:
    """A logged-in client. `token` is the cookie; `key` is the name that the API shows."""

    user: str
    token: str = field(default_factory=lambda: secrets.token_hex(20))
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    login_time: Any = field(default_factory=codec.utc_now)
    last_active: Any = field(default_factory=codec.utc_now)
    used_at: float = field(default_factory=time.monotonic)
    calls: int = 0
    pages: dict[str, Any] = field(default_factory=dict)

    def as_vim(self) -> Any:
        """The session as the API shows it."""
        return codec.make(
            vim.UserSession,
            key=self.key,
            userName=self.user,
            fullName=self.user,
            loginTime=self.login_time,
            lastActiveTime=self.last_active,
            locale="en",
            messageLocale="en",
            extensionSession=False,
            ipAddress="127.0.0.1",
            userAgent="",
            callCount=self.calls,
        )


class SessionManager(Managed):
    """Logs clients in and out; knows who is logged in."""

    type = vim.SessionManager
    volatile = True

    def __init__(self, world: World, moid: str, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._tried = self._refused = self._failures = 0
        self._locked = False
        self.sessions: dict[str, Session] = {}
        super().__init__(world, moid)

    def value(self, name: str, session: Session | None) -> Any:
        """`currentSession` depends on who asks."""
        if name == "currentSession":
            return session.as_vim() if session else None
        if name == "sessionList":
            return [s.as_vim() for s in self.sessions.values()]
        return {
            "message": "",
            "defaultLocale": "en",
            "supportedLocaleList": ["en"],
            "messageLocaleList": ["en"],
        }.get(name)

    def by_token(self, token: str | None) -> Session | None:
        """The cookie's session, marked as just used; None when it is unknown or expired."""
        with self.world.lock:
            session = self.sessions.get(token or "")
            if session is None:
                return None
            idle = time.monotonic() - session.used_at
            if idle > self.world.estate.session_idle_seconds:
                del self.sessions[session.token]
                return None
            session.used_at = time.monotonic()
            session.last_active = codec.utc_now()
            session.calls += 1
            return session

    def is_login(self, user: str, password: str) -> bool:
        """Whether these credentials are right, and the account is not locked. A wrong password
        counts towards locking it; a locked account refuses the right one, too."""
        right = secrets.compare_digest(
            f"{user}\0{password}".encode(), f"{self._user}\0{self._password}".encode()
        )
        with self.world.lock:
            self._tried += 1
            self._failures = 0 if right else self._failures + 1
            limit = self.world.estate.lock_after_failures
            self._locked = self._locked or bool(limit and self._failures >= limit)
            accepted = right and not self._locked
            self._refused += not accepted
        return accepted

    def set_password(self, password: str) -> None:
        """Set another password, and unlock the account."""
        with self.world.lock:
            self._password, self._failures, self._locked = password, 0, False

    def statistics(self) -> dict[str, Any]:
        """The login attempts since the lab began, and the present state."""
        with self.world.lock:
            return {
                "tried": self._tried,
                "refused": self._refused,
                "open": len(self.sessions),
                "locked": self._locked,
            }

    def login(self, user: str, password: str) -> Session:
        """Open a session. Raises InvalidLogin, and TooManySessions."""
        if not self.is_login(user, password):
            raise vim.fault.InvalidLogin(
                msg="Cannot complete login due to an incorrect user name or password."
            )
        session = Session(user)
        with self.world.lock:
            if len(self.sessions) >= (self.world.estate.session_limit or math.inf):
                raise TooManySessions
            self.sessions[session.token] = session
        return session

    def expire_all(self) -> int:
        """End all sessions, as if they had been idle for too long. Returns how many."""
        with self.world.changed:
            count = len(self.sessions)
            self.sessions.clear()
            self.world.changed.notify_all()
        return count

    def Logout(self, call: Any, session: Session) -> None:
        """End the caller's session."""
        with self.world.changed:
            self.sessions.pop(session.token, None)
            self.world.changed.notify_all()

    def SessionIsActive(self, call: Any, session: Session) -> bool:
        """Whether a user's session is open."""
        return any(
            s.key == call.sessionID and s.user == call.userName for s in self.sessions.values()
        )

    def TerminateSession(self, call: Any, session: Session) -> None:
        """End other sessions by key."""
        if session.key in call.sessionId:
            raise invalid_argument("sessionId")
        with self.world.changed:
            for token, other in list(self.sessions.items()):
                if other.key in call.sessionId:
                    del self.sessions[token]
            self.world.changed.notify_all()
