"""What a source of a disk's bytes must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Read(NamedTuple):
    """A range of the disk, and where its bytes go."""

    offset: int
    view: memoryview


class Reader(Protocol):
    """One connection to a source, used by one thread."""

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill the whole of ``view`` with the bytes from ``offset`` on, or raise SourceError."""
        ...

    def read_many(self, reads: Sequence[Read]) -> None:
        """Fill all views, or raise SourceError: one after the other, unless a source can more."""
        for read in reads:
            self.read_into(*read)

    def close(self) -> None:
        """Release the connection. Never raises."""
        ...


class Source(Protocol):
    """Something from which a disk can be read, over any number of connections at once."""

    def connect(self) -> Reader:
        """A new connection for the calling thread. Raises SourceError."""
        ...

    def abort(self) -> None:
        """End every present and future read: each soon raises SourceError, whatever the server
        does. May be called by any thread; never raises, and waits for nothing."""
        ...
