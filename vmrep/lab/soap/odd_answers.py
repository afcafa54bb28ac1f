"""Answers of the property collector about single objects that no client expects.

Real estates have values that break XML, types and enumeration values newer than the client,
refusals of single properties, objects that disappear while they are being read, and objects for
which the whole call fails. Kept only in memory: a restart of the lab makes everything normal again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from vmrep.lab.soap import codec


class Gap(str):
    """An entry of an ObjectContent's `missingSet`, as XML, in place of a value."""

    __slots__ = ()


class OddAnswers:
    """Odd values by object and property path, and objects that vanish or fail when they are
    read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, dict[str, str]] = {}
        self._vanishing: dict[str, bool] = {}
        self._spoiling: dict[str, Any] = {}

    def say(self, moid: str, path: str, xml: str) -> None:
        """Answer this XML, unchecked, in place of `<val>`; "" ends that."""
        with self._lock:
            known = self._values.setdefault(moid, {})
            if xml:
                known[path] = xml
            else:
                known.pop(path, None)

    def refuse(self, moid: str, path: str, fault: str, message: str) -> None:
        """Answer with a fault, of any class, known or not, in the object's `missingSet`."""
        self.say(moid, path, Gap(gap(path, fault, message)))

    def vanish(self, moid: str, *, whole_call: bool) -> None:
        """Let the object be gone the next time that its properties are about to be answered: as a
        fault of the whole call, or with a fault in place of each of its properties."""
        with self._lock:
            self._vanishing[moid] = whole_call

    def spoil(self, moid: str, fault: Any) -> None:
        """Answer every call that would tell of the object with this fault instead."""
        with self._lock:
            self._spoiling[moid] = fault

    def clear(self) -> None:
        """Answer as usual again."""
        with self._lock:
            self._values.clear()
            self._vanishing.clear()
            self._spoiling.clear()

    def of_object(self, moid: str) -> Mapping[str, str]:
        """The odd values of an object, by path."""
        return self._values.get(moid, {})

    def spoils(self, moid: str) -> Any:
        """The fault in which a call ends that would tell of the object; None: it is told."""
        return self._spoiling.get(moid)

    def takes_away(self, moid: str) -> bool | None:
        """None: the object stays. Otherwise it vanishes now; True: as a fault of the call."""
        with self._lock:
            return self._vanishing.pop(moid, None)


def gap(path: str, fault: str, message: str) -> str:
    """The content of a `missingSet` entry."""
    return (
        f"<path>{codec.escape(path)}</path>"
        f'<fault><fault xsi:type="{codec.escape(fault)}"/>'
        f"<localizedMessage>{codec.escape(message)}</localizedMessage></fault>"
    )
