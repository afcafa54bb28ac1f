"""Expected refusals."""

from __future__ import annotations

from typing import Any

from contexts.errors import ContextError


class ChannelRefused(ContextError):
    """Settings with which a channel or a rule cannot work. `field`: which one."""

    code = "channel_refused"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field

    @property
    def details(self) -> dict[str, Any]:
        return {"errors": {self.field: [str(self)]}} if self.field else {}


class NotDelivered(Exception):
    """The other side did not take a message; the text says what it said."""
