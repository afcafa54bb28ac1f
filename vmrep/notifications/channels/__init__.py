"""The ways out. The module of one is imported when it is used: apprise loads slowly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from contexts.text import printable, storable
from vmrep.notifications.channels.base import Config, Message
from vmrep.notifications.errors import NotDelivered, SecretWanted
from vmrep.notifications.reach import SECONDS, Deadline

LONGEST_ANSWER = 2000


class _Way(Protocol):
    """What each module has."""

    FIELDS: Sequence[str]
    GOES_TO: Mapping[str, Sequence[str]]
    """By secret: the settings that say to whom it is sent, and whom vmrep trusts there."""

    def clean(self, settings: Mapping[str, object]) -> Config: ...

    def shown(self, config: Config) -> str: ...

    def send(self, config: Config, message: Message) -> str: ...


def _way(kind: str) -> _Way:
    return cast(_Way, import_module(f"{__name__}.by_{kind}"))


def fields(kind: str) -> Sequence[str]:
    """The names of the settings of this kind of channel."""
    return _way(kind).FIELDS


def clean(kind: str, settings: Mapping[str, object]) -> Config:
    """The settings as they are stored. Raises ChannelRefused."""
    return _way(kind).clean(settings)


def require_secrets_again(kind: str, known: Config, config: Config, given: Collection[str]) -> None:
    """Raises ChannelRefused when one of the `known` settings that is not `given` anew would be sent
    to somebody else by those of `config`: whoever may edit a channel may not read its secrets."""
    for secret, places in _way(kind).GOES_TO.items():
        if not known.get(secret) or secret in given:
            continue
        changed = [place for place in places if known.get(place) != config.get(place)]
        if changed:
            raise SecretWanted(changed, secret)


def shown(kind: str, config: Config) -> str:
    """Where it leads, without anything secret."""
    return storable(printable(_way(kind).shown(config)), 255)


def send(kind: str, config: Config, message: Message, *, seconds: float = SECONDS) -> str:
    """Send it, and return what the other side said. Takes little longer than `seconds`, but for the
    look-up of a name. Raises NotDelivered."""
    way = _way(kind)
    late = f"It was not taken within {seconds:g} seconds."
    with Deadline(seconds) as deadline:
        try:
            answer = way.send(config, message)
        except NotDelivered as problem:
            if deadline.is_over:
                raise NotDelivered(late) from problem
            raise NotDelivered(_bounded(str(problem))) from problem
    if deadline.is_over:  # what was cut may look like the end of an answer
        raise NotDelivered(late)
    return _bounded(answer)


def _bounded(text: str) -> str:
    """What comes from the other side may be anything."""
    lines = (printable(line) for line in text.splitlines())
    return storable("\n".join(lines), LONGEST_ANSWER)
