"""Pauses in words."""

from django import template

from replication.models import Pause
from replication.selectors import pauses

register = template.Library()


@register.filter
def subject(pause: Pause) -> str:
    """What is paused."""
    return pauses.subject(pause)


@register.filter
def pause_words(pause: Pause) -> str:
    """Who paused what, until when."""
    return pauses.words(pause)
