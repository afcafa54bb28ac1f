"""What can keep the demo from starting or make it stop."""

from __future__ import annotations


class DemoError(Exception):
    """The message says what is the matter and what to do about it."""


class StopRequested(Exception):
    """Ctrl-C, or a signal that asks to stop."""
