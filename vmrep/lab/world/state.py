"""The lab's durable state: one SQLite file in the lab's folder, and the lock on that folder.

Every saved record is one committed transaction, so a killed lab starts again from the last change
that any client was told about. (A power failure of the machine may cost the newest commits, never
the file: WAL with synchronous=NORMAL.)
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vmrep.lab.errors import FolderError

STATE_FILE = "state.db"
_LOCK_FILE = "lab.lock"


class FolderLock:
    """An exclusive lock on a lab's folder, held until `release` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise FolderError(
                f"the lab's folder {folder} cannot be written to: {error.strerror}"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise FolderError(
                f"another lab is running in {folder}; stop it or choose another folder"
            ) from error

    def release(self) -> None:
        """Give the folder back."""
        os.close(self._descriptor)


class Store:
    """Records by kind and key, as JSON; each write is one transaction."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            folder / STATE_FILE, check_same_thread=False, isolation_level=None
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS records "
            "(kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key))"
        )

    def put(self, kind: str, key: str, value: dict[str, Any]) -> None:
        """Save one record."""
        self.put_all([(kind, key, value)])

    def put_all(self, records: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Save several records in one transaction."""
        rows = [(kind, key, json.dumps(value)) for kind, key, value in records]
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT INTO records VALUES (?, ?, ?) "
                "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                rows,
            )
            self._connection.execute("COMMIT")

    def delete(self, kind: str, key: str) -> None:
        """Forget one record."""
        with self._lock:
            self._connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))

    def delete_all(self, kind: str) -> None:
        """Forget all records of a kind."""
        with self._lock:
            self._connection.execute("DELETE FROM records WHERE kind = ?", (kind,))

    def move(self, kind: str, key: str, new_kind: str, new_key: str, value: dict[str, Any]) -> None:
        """Save one record in another place, in one transaction."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))
            self._connection.execute(
                "INSERT INTO records VALUES (?, ?, ?)", (new_kind, new_key, json.dumps(value))
            )
            self._connection.execute("COMMIT")

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """One record, or None."""
        with self._lock:
            row = self._connection.execute(
                "SELECT value FROM records WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, kind: str) -> Iterator[dict[str, Any]]:
        """All records of a kind, in the order in which they were first saved."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT value FROM records WHERE kind = ? ORDER BY rowid", (kind,)
            ).fetchall()
        return (json.loads(row[0]) for row in rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
