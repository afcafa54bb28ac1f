"""Expected refusals."""

from contexts.errors import ContextError


class ChannelRefused(ContextError):
    """Settings with which a channel or a rule cannot work. `field`: which one."""

    code = "channel_refused"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotDelivered(Exception):
    """The other side did not take a message; the text says what it said."""
