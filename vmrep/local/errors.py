"""What can keep programs from starting, or make them stop."""

from __future__ import annotations


class LocalError(Exception):
    """The message says what is wrong and what to do about it."""


class StopRequested(Exception):
    """Ctrl-C, or a signal that asks to stop."""
