"""The data folder of a demo: who may use it, what it remembers, what starting over removes."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from vmrep.local.errors import LocalError
from vmrep.local.ports import free_port
from vmrep.private import OWN_NAMES, NotPrivate, make_private_folder

# Starting over removes these, and nothing else; demo.json last, because without it the next try
# would not recognise the folder.
REMOVED = ("redis", "log", "lab", "repository", *OWN_NAMES)
# The kernel accepts no longer address for a unix socket; the rest is for the file's own name.
SOCKET_FOLDER_LENGTH_MAX = 107 - len("/redis.sock")


@dataclass(frozen=True)
class Remembered:
    """What a demo keeps from one start to the next, so that a restarted lab is where it was."""

    lab_port: int
    lab_control_port: int
    database: str
    replicated: bool = False


def database_of(url: str | None) -> str:
    """The database that a DATABASE_URL names, without its password; "" is the data folder's own."""
    if not url:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}?{parts.query}"


class DataFolder:
    """A data folder, held by this process alone until it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            make_private_folder(self.path)
        except NotPrivate as problem:
            raise LocalError(str(problem)) from problem
        self._lock = (self.path / "demo.lock").open("a+")
        self._socket_folder: tempfile.TemporaryDirectory[str] | None = None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalError(
                f"a demo that uses {self.path} is already running; stop it first, or use another "
                "folder: VMREP_DATA_DIR=/another/folder script/demo --port 8001"
            ) from error

    @property
    def is_new(self) -> bool:
        """Whether no demo has been started here before."""
        return not self._marker.exists()

    @property
    def _marker(self) -> Path:
        return self.path / "demo.json"

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def lab(self) -> Path:
        return self.path / "lab"

    @property
    def lab_password(self) -> Path:
        return self.path / "lab-password"

    @property
    def repository(self) -> Path:
        return self.path / "repository"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    def redis_socket(self) -> Path:
        """Where Redis listens: in the data folder, or in a temporary one when that is too deep."""
        if len(os.fsencode(self.redis)) <= SOCKET_FOLDER_LENGTH_MAX:
            return self.redis / "redis.sock"
        if self._socket_folder is None:
            self._socket_folder = tempfile.TemporaryDirectory(prefix="vmrep-", dir="/tmp")
        return Path(self._socket_folder.name) / "redis.sock"

    def start_over(self) -> Remembered | None:
        """Removes what a demo made here and returns what it had kept.

        A folder in which no demo ran is left as it is.
        """
        if self.is_new:
            return None
        remembered = self._read_marker()
        for pattern in REMOVED:
            for path in sorted(self.path.glob(pattern)):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    # Only the link itself: what it leads to may not be the demo's.
                    path.unlink()
        return remembered

    def remembered(self, database: str) -> Remembered:
        """What this demo keeps; chosen and written at its first start."""
        if self.is_new:
            chosen = Remembered(free_port(), free_port(), database)
            self._write_marker(chosen)
        return self._read_marker()

    def remember_replicated(self) -> None:
        """Note that the first replications are done: the next start continues from there."""
        self._write_marker(replace(self._read_marker(), replicated=True))

    def _write_marker(self, remembered: Remembered) -> None:
        unfinished = self._marker.with_suffix(".json.tmp")
        unfinished.write_text(json.dumps(asdict(remembered)) + "\n")
        unfinished.replace(self._marker)

    def _read_marker(self) -> Remembered:
        try:
            return Remembered(**json.loads(self._marker.read_text()))
        except (ValueError, TypeError) as error:
            raise LocalError(
                f"{self._marker} was not written by vmrep's demo, so the demo does not use "
                f"{self.path}; move that file away, or choose another folder with VMREP_DATA_DIR"
            ) from error
