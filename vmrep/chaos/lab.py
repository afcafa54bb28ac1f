"""The simulated vCenter of a history: a process that can be killed, and goes on where it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from vmrep.lab.control.client import LabControl
from vmrep.local.errors import LocalError

SCENARIO = Path(__file__).with_name("scenario.toml")


class LabProcess:
    """A lab in a folder, always at the same ports."""

    def __init__(self, folder: Path, scenario: Path = SCENARIO) -> None:
        self._folder, self._scenario = folder, scenario
        self._password_file = folder.with_name("lab-password")
        if not self._password_file.exists():
            self._password_file.write_text(self.password)
        self.port, self._control_port = 0, 0
        self._start()

    password = "only for tests"  # noqa: S105  of a simulated vCenter at 127.0.0.1

    def _start(self) -> None:
        arguments = ["--folder", str(self._folder), "--scenario", str(self._scenario)]
        arguments += ["--port", str(self.port), "--control-port", str(self._control_port)]
        arguments += ["--password-file", str(self._password_file)]
        log = self._folder.with_name("lab.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vmrep.lab", *arguments], stdout=subprocess.PIPE, stderr=log
            )
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise LocalError(f"the lab does not start: see {log.name}")
        ready = json.loads(line)
        self.host, self.port, self.username = ready["host"], ready["port"], ready["username"]
        self.control = LabControl(ready["control_url"])
        self._control_port = urlsplit(ready["control_url"]).port or 0

    def kill(self) -> None:
        """With -9, and start again."""
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
