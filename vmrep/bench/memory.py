"""How much memory a process and its children need while something is done."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def most_pss() -> Iterator[list[float]]:
    """A list with the most MiB so far (PSS: what is shared counts once), until the block ends."""
    over, most = threading.Event(), [0.0]

    def look() -> None:
        while not over.wait(0.1):
            most[0] = max(most[0], _pss_mib(os.getpid()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def _pss_mib(pid: int) -> float:
    """Of a process and all that descend from it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        threads = [path.name for path in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return 0.0  # it ended just now
    for thread in threads:
        with contextlib.suppress(OSError):
            children += Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
    own = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return own + sum(_pss_mib(int(child)) for child in set(children))
