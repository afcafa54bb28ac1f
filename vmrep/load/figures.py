"""What came of requests: how many, how fast, and what was wrong."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


def percentile(seconds: Sequence[float], share: float) -> float:
    """The smallest of them that so large a share does not exceed; 0 if there are none."""
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


class Report(NamedTuple):
    """`wrong`: in words; empty if all went well."""

    told: dict[str, object]
    wrong: list[str]


@dataclass
class OfKind:
    seconds: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)
    bytes: int = 0

    def told(self) -> dict[str, object]:
        return {
            "requests": len(self.seconds),
            **in_milliseconds(self.seconds),
            "codes": {str(code): count for code, count in sorted(self.codes.items())},
            "bytes": self.bytes,
        }


def in_milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "longest_ms": 1.0}
    return {name: round(percentile(seconds, each) * 1000, 1) for name, each in shares.items()}


@dataclass
class Figures:
    """`wrong`: answers that nobody expected, by their words."""

    kinds: dict[str, OfKind] = field(default_factory=lambda: defaultdict(OfKind))
    wrong: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, seconds: float, code: int, size: int) -> None:
        of = self.kinds[kind]
        of.seconds.append(seconds)
        of.codes[code] += 1
        of.bytes += size

    @property
    def seconds(self) -> list[float]:
        return [each for kind in self.kinds.values() for each in kind.seconds]

    def codes(self) -> Counter[int]:
        return sum((kind.codes for kind in self.kinds.values()), Counter())
