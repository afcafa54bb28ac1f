"""What a repository must be able to do. A directory of qcow2 images is the first kind."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class SealedImage(NamedTuple):
    """A finished image's use of space."""

    allocated_bytes: int
    """What the file takes on the storage now."""
    file_bytes: int
    """The file's length, which holes make larger than what it takes."""


class Connection(Protocol):
    """One thread's way to a writable image. Every call raises TargetError when it fails."""

    def pread(self, length: int, offset: int) -> bytearray:
        """Exactly ``length`` bytes."""
        ...

    def pwrite(self, data: memoryview, offset: int) -> None:
        """Write all of ``data``."""
        ...

    def zero(self, length: int, offset: int) -> None:
        """Make the range read as zeroes, whatever lies below it."""
        ...

    def close(self) -> None:
        """Give the connection back. Never raises."""
        ...


class WritableImage(Protocol):
    """An opened image that is being written."""

    def connect(self) -> Connection:
        """A connection for the calling thread."""
        ...

    def flush(self) -> None:
        """Make all that was acknowledged, on any connection, permanent."""
        ...

    def close(self) -> None:
        """Flush and end the writing."""
        ...


class Target(Protocol):
    """Storage for images, which are named by locators: opaque text, kept in the database."""

    def create(self, temporary: str, size_bytes: int, parent: str | None) -> None:
        """Make an empty image, or an overlay on ``parent``."""
        ...

    def open(self, temporary: str) -> WritableImage:
        """Begin, or go on with, the writing of an image."""
        ...

    def seal(self, temporary: str, final: str) -> SealedImage:
        """Make a closed image permanent under its final name."""
        ...

    def discard(self, locator: str) -> None:
        """Remove an image; one that is gone is fine."""
        ...

    def exists(self, locator: str) -> bool:
        """Whether there is such an image."""
        ...
