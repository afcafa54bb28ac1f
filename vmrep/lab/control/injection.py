"""Faults on demand: what the control surface asks to go wrong, and when.

A rule counts the calls of one method from the moment it is added. Methods are named as in the
WSDL (`CreateSnapshot_Task`, `QueryChangedDiskAreas`) or `GET /folder`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

FOLDER = "GET /folder"
FAULT, TASK_FAULT, DROP = "fault", "task fault", "drop"


@dataclass
class Rule:
    """Make the `nth` call (from 1) and `times - 1` more go wrong in the given way."""

    method: str
    action: str
    nth: int = 1
    times: int = 1
    fault: str = "SystemError"
    message: str = "injected by the lab"
    seen: int = 0

    def fires(self) -> bool:
        """Count one more call, and tell whether it should go wrong."""
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    @property
    def spent(self) -> bool:
        """Whether it can never fire again."""
        return self.seen >= self.nth + self.times - 1


@dataclass
class Delay:
    """Calls take `seconds` longer, except the first `after`."""

    seconds: float
    after: int = 0


class Injection:
    """The rules in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._delays_changed = threading.Condition(self._lock)
        self._rules: list[Rule] = []
        self._delays: dict[str, Delay] = {}

    def add(self, rule: Rule) -> None:
        """Put a rule in force; it counts from now on."""
        with self._lock:
            self._rules.append(rule)

    def delay(self, method: str, seconds: float, after: int = 0) -> None:
        """Delay every call of a method from the `after + 1`st on (0 seconds: stop delaying)."""
        with self._delays_changed:
            self._delays[method] = Delay(seconds, after)
            self._delays_changed.notify_all()

    def clear(self) -> None:
        """Forget all rules and delays; calls that are being delayed go on."""
        with self._delays_changed:
            self._rules.clear()
            self._delays.clear()
            self._delays_changed.notify_all()

    def wait(self, method: str) -> None:
        """Wait for as long as this call of the method is delayed."""
        with self._delays_changed:
            delay = self._delays.get(method)
            if delay is None:
                return
            if delay.after > 0:
                delay.after -= 1
                return
            self._delays_changed.wait_for(
                lambda: self._delays.get(method) is not delay, timeout=delay.seconds
            )

    def take(self, method: str, action: str) -> Rule | None:
        """Count a call; returns the rule that applies to it, or None."""
        with self._lock:
            # every rule for the method counts the call, not only the first that fires
            fired = [
                r for r in self._rules if (r.method, r.action) == (method, action) and r.fires()
            ]
            self._rules = [r for r in self._rules if not r.spent]
        return fired[0] if fired else None
