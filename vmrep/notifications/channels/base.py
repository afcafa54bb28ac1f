"""What all channels share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from vmrep.notifications.errors import ChannelRefused

# As they are stored: JSON of texts, numbers and lists of texts.
Config = dict[str, str | int | list[str]]


class Message(NamedTuple):
    """What is sent. `id` stays the same however often it is; `data` is for programs."""

    id: UUID
    type: str
    at: datetime
    subject: str  # one line, printable
    text: str
    html: str
    data: dict[str, object]


def given(settings: Mapping[str, object], name: str) -> object:
    """A setting; None also for an empty text. (0, False or [] are no way to leave one out.)"""
    value = settings.get(name)
    return None if value == "" else value


def text(settings: Mapping[str, object], name: str, label: str, *, most: int = 1000) -> str:
    """A setting that is a line of text; empty if it is not given. Raises ChannelRefused."""
    value = given(settings, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ChannelRefused(f"{label} is a text.", name)
    value = value.strip()
    if len(value) > most or not value.isprintable():
        raise ChannelRefused(f"{label} has at most {most} characters, all printable.", name)
    return value


def required(settings: Mapping[str, object], name: str, label: str, *, most: int = 1000) -> str:
    value = text(settings, name, label, most=most)
    if not value:
        raise ChannelRefused(f"{label} is missing.", name)
    return value


def pem(settings: Mapping[str, object]) -> str:
    value = given(settings, "ca_certificate")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 100_000:
        raise ChannelRefused(
            "A certificate is a text of at most 100,000 characters.", "ca_certificate"
        )
    return value.strip()
