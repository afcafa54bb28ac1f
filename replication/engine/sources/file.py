"""A raw file as a source."""

from __future__ import annotations

import os
from pathlib import Path

from replication.engine.errors import SourceError
from replication.engine.sources.base import Reader


class FileSource:
    """A raw file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self) -> FileReader:
        """Open the file. Raises SourceError."""
        return FileReader(self._path)

    def abort(self) -> None:
        """Nothing to do: reading a file waits only for the kernel."""


class FileReader(Reader):
    """Reads one raw file at any offset."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise SourceError(f"{path} cannot be opened: {error}.", transient=False) from error

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from ``offset``; SourceError when the file ends before that."""
        done = 0
        while done < len(view):
            try:
                count = os.preadv(self._descriptor, [view[done:]], offset + done)
            except OSError as error:
                raise SourceError(
                    f"{self._path} cannot be read at {offset + done}: {error}.", transient=True
                ) from error
            if not count:
                raise SourceError(
                    f"{self._path} ends at {offset + done}, but {len(view)} bytes from {offset} "
                    "on were expected: it is not the file that the plan was made for.",
                    transient=False,
                )
            done += count

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
