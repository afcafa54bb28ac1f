"""What people and programs read about a demo's two rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vmrep.demo.rounds import Outcome

NAME_WIDTH = 30


@dataclass(frozen=True)
class Refused:
    """A VM that was not replicated, and why."""

    vm_name: str
    reason: str


def shown(text: str, width: int | None = None) -> str:
    """Text from a vCenter, safe for a terminal: control characters are hostile there."""
    safe = "".join(character if character.isprintable() else "�" for character in text)
    return safe if width is None or len(safe) <= width else safe[: width - 1] + "…"


def size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"


def line(outcome: Outcome) -> str:
    """One VM's replication, as soon as it is over."""
    name = shown(outcome.vm_name, NAME_WIDTH)
    if outcome.refused:
        return f"  {name:{NAME_WIDTH}}  refused: {shown(outcome.refused)}"
    if outcome.problem:
        return f"  {name:{NAME_WIDTH}}  FAILED: {shown(outcome.problem)}"
    kinds = " + ".join(sorted(set(outcome.sync_types)))
    figures = f"{size(outcome.bytes_transferred):>12}  {outcome.seconds:6.1f} s"
    return f"  {name:{NAME_WIDTH}}  {kinds:12} {figures}   equal, byte by byte"


def table(first: Sequence[Outcome], second: Sequence[Outcome]) -> str:
    """Both rounds side by side."""
    earlier = {outcome.context_id: outcome for outcome in first}
    rows = [f"  {'VM':{NAME_WIDTH}}  {'in full':>20}  {'then the changes':>20}   replica"]
    for one in _by_name(second):
        before = earlier.get(one.context_id)
        equal = one.identical and (before is None or before.identical)
        rows.append(
            f"  {shown(one.vm_name, NAME_WIDTH):{NAME_WIDTH}}"
            f"  {_figures(before) if before else 'before':>20}  {_figures(one):>20}"
            f"   {'equal' if equal else 'NOT EQUAL'}"
        )
    return "\n".join(rows)


def _by_name(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda outcome: (outcome.vm_name, outcome.context_id))


def _figures(outcome: Outcome) -> str:
    return f"{size(outcome.bytes_transferred)} in {outcome.seconds:.1f} s"


def as_json(
    first: Sequence[Outcome],
    second: Sequence[Outcome],
    written: Mapping[str, int],
    refused: Sequence[Refused],
    damages: Sequence[str],
) -> dict[str, Any]:
    """The result of `script/demo --once`.

    written: the bytes that each context's guest changed. damages: what the integrity check found.
    """
    later = {outcome.context_id: outcome for outcome in second}
    return {
        "vms": [
            {
                "vm_name": one.vm_name,
                "context_id": one.context_id,
                "initial": _facts(one, one.planned_bytes),
                "incremental": _facts(later[one.context_id], written[one.context_id]),
            }
            for one in _by_name(first)
            if one.context_id in later
        ],
        "refused": [
            {"vm_name": one.vm_name, "reason": one.reason}
            for one in sorted(refused, key=lambda refused: refused.vm_name)
        ],
        "integrity": "; ".join(damages) or "ok",
    }


def _facts(outcome: Outcome, changed_bytes: int) -> dict[str, Any]:
    return {
        "job_id": outcome.job_id,
        "sync_types": outcome.sync_types,
        "bytes_transferred": outcome.bytes_transferred,
        "changed_bytes": changed_bytes,
        "seconds": outcome.seconds,
        "identical": outcome.identical,
    }
