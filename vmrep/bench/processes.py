"""How much CPU time processes have used, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(root: int) -> float:
    """The CPU time of a process and its descendants, including those that have already ended."""
    parents, used = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent, seconds = _stat(folder / "stat")
            except OSError:
                continue  # it ended just now
            parents[int(folder.name)], used[int(folder.name)] = parent, seconds
    return sum(seconds for pid, seconds in used.items() if _is_under(pid, root, parents))


def _stat(file: Path) -> tuple[int, float]:
    """The parent; and user and system time, including children that were waited for."""
    fields = file.read_text().rpartition(")")[2].split()  # the name before it may contain anything
    return int(fields[1]), sum(int(ticks) for ticks in fields[11:15]) / _TICKS


def _is_under(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        if pid == root:
            return True
        pid = parents[pid]
    return False


def machine() -> dict[str, object]:
    """What the figures were measured on, and how busy it was with other things."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else "unknown",
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "kernel": os.uname().release,
    }
