"""Expected refusals."""

from __future__ import annotations

from collections.abc import Sequence
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


class SecretWanted(ChannelRefused):
    """The stored secret `field` would go to somebody else if the settings `changed` change."""

    def __init__(self, changed: Sequence[str], secret: str) -> None:
        super().__init__(self.told(" and ".join(changed), f"the {secret}"), secret)
        self.changed = changed

    @staticmethod
    def told(changed: str, secret: str) -> str:
        return (
            f"To change {changed}, enter {secret} again: the stored one goes only where it was"
            " meant to go."
        )


class NotDelivered(Exception):
    """The other side did not take a message; the text says what it said."""
