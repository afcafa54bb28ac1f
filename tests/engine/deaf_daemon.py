"""A qemu-storage-daemon that does not hear the first signals to stop."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_SCRIPT = """#!/usr/bin/python3
import signal, subprocess, sys
heard = 0
def stop(*_):
    global heard
    heard += 1
    open({signals!r}, "a").write("x")
    if heard > {misses}:
        daemon.terminate()
signal.signal(signal.SIGTERM, stop)
daemon = subprocess.Popen(
    ["setpriv", "--pdeathsig", "KILL", "--", {program!r}, *sys.argv[1:]]
)
sys.exit(daemon.wait())
"""


class DeafDaemon:
    """The real daemon behind a script that swallows the first ``misses`` SIGTERMs.

    The real one loses about one signal in a thousand, when it comes as a connection closes: too
    seldom for a test that shall fail each time.
    """

    def __init__(self, folder: Path, misses: int) -> None:
        self._signals = folder / "signals"
        folder.mkdir()
        program = shutil.which("qemu-storage-daemon")
        assert program is not None
        script = folder / "qemu-storage-daemon"
        script.write_text(
            _SCRIPT.format(signals=str(self._signals), misses=misses, program=program)
        )
        script.chmod(0o755)
        self.path = f"{folder}{os.pathsep}{os.environ['PATH']}"

    @property
    def signals(self) -> int:
        """How many times a daemon was asked to stop."""
        return self._signals.stat().st_size if self._signals.exists() else 0
