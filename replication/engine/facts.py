"""What is known of a finished image's files without reading them, and whether that still holds.

Of each file: its length, when it was last written, its inode, and its change counter. Linux shows a
real one (statx's change cookie) to nobody but NFS servers; what it shows everywhere is ctime, which
every write and every change of a name or of an owner moves, and which no call can put back.

A program that opens a qcow2 image for writing must clear the autoclear features that it does not
know, even if it then writes nothing. vmrep marks a finished image with one of its own: where that
is gone, a program that knows qcow2 had the image open for writing.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, Self

from replication.engine.expected import KEPT, beside
from replication.engine.regular import is_there, open_regular
from replication.engine.target import CHANGED, DOUBTED, OPENED, Difference, SealedImage

FINISHED_MODE, UNFINISHED_MODE = 0o400, 0o600
MARK = 1 << 62
"""The autoclear feature that says: nobody opened this image for writing since vmrep finished it."""

_AUTOCLEAR_AT, _AUTOCLEAR = 88, struct.Struct(">Q")
_WRITE_LOCK_AT = 101
"""The byte of an image that a running qemu has locked while it may write (QEMU's file locking)."""
_FLOCK = struct.Struct("hhqqi4x")
_LARGEST = 2**63 - 1

_OPENED = (
    "was opened for writing by another program after it was committed, as when a VM is started on"
    " it; start VMs on an overlay or a copy"
)
_OPEN_NOW = (
    "is open for writing in another program now, as when a VM is started on it; end that program,"
    " and start VMs on an overlay or a copy"
)


class FileFacts(NamedTuple):
    """Of one file."""

    length: int
    mtime_ns: int
    inode: int
    ctime_ns: int


class Facts(NamedTuple):
    """Of an image and the files that belong to it, by what their names add to the image's."""

    files: Mapping[str, FileFacts]
    is_marked: bool

    def text(self) -> str:
        """As it is kept in the image's row and in manifests."""
        files = {name: list(self.files[name]) for name in sorted(self.files)}
        return json.dumps({"files": files, "marked": self.is_marked}, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """None if nothing is known: for an empty text, and for one that vmrep did not write."""
        try:
            found = json.loads(text)
            files = {str(name): FileFacts(*map(int, it)) for name, it in found["files"].items()}
            return cls(files, found["marked"] is True)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return None

    @property
    def is_doubted(self) -> bool:
        """Whether these were made of what was in doubt."""
        return any(not it.ctime_ns for it in self.files.values())

    def doubted(self) -> Self:
        """The same, but in doubt for good: until others take their place."""
        files = {name: it._replace(ctime_ns=0) for name, it in self.files.items()}
        return self._replace(files=files)


def finish(path: Path) -> None:
    """Nobody is to write to this file from now on. It is durable with what follows: its renaming.

    Whoever comes late, and does it again, changes nothing: not even the change time."""
    with open_regular(path) as file:
        _give_mode(file, FINISHED_MODE)


def finish_image(path: Path) -> None:
    """As `finish`, of the image itself, which gets the mark: it has to be closed. Durable."""
    with open_regular(path) as file:
        _write_mark(path, file, MARK)
        _give_mode(file, FINISHED_MODE)
        os.fsync(file.fileno())


def let_write(path: Path) -> None:
    """Let a program write to a finished image: whoever does that ends with `finish_image`.

    The mark is taken off here: a qemu that finds it would write the whole header anew."""
    with open_regular(path) as file:
        _give_mode(file, UNFINISHED_MODE)
        _write_mark(path, file, 0)


def _write_mark(path: Path, file: IO[bytes], mark: int) -> None:
    features = _autoclear(file)
    if features & MARK == mark:
        return
    _give_mode(file, UNFINISHED_MODE)
    writable = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.pwrite(writable, _AUTOCLEAR.pack(features & ~MARK | mark), _AUTOCLEAR_AT)
    finally:
        os.close(writable)


def finished(path: Path) -> SealedImage:
    """Of a finished image whose files have their last names: nothing changes them from now on."""
    for name in KEPT:
        if is_there(beside(path, name)):
            finish(beside(path, name))
    room = path.stat()
    return SealedImage(room.st_blocks * 512, room.st_size, facts_of(path).text())


def facts_of(path: Path) -> Facts:
    """Of an image's files as they are now. Raises OSError.

    Each is opened for that: over NFS, this is when the server is asked anew.
    """
    with open_regular(path) as file:
        files = {"": _facts(file)}
        is_marked = bool(_autoclear(file) & MARK)
    for name in KEPT:
        try:
            with open_regular(beside(path, name)) as file:
                files[name] = _facts(file)
        except FileNotFoundError:
            continue
    return Facts(files, is_marked)


def changes(path: Path, known: Facts) -> Iterator[Difference]:
    """In what the files of an image are not as they were committed. Raises OSError."""
    now = facts_of(path)
    opened = _opened(path, known, now)
    if opened:
        yield Difference(OPENED, opened)
    for name, then in known.files.items():
        what = f"has {name} beside it, which " if name else ""
        if name not in now.files:
            yield Difference(DOUBTED, f"{what}is missing")
        elif name or not opened:
            yield from _changes(what, then, now.files[name])


def _opened(path: Path, known: Facts, now: Facts) -> str:
    """How another program had, or has, the image open for writing; empty if none is known to."""
    if _is_open_for_writing(path):
        return _OPEN_NOW
    then, image = known.files.get(""), now.files[""]
    # Otherwise something else was put in its place: a program that opens an image cuts off nothing.
    is_same = then is not None and then.inode == image.inode and then.length <= image.length
    return _OPENED if known.is_marked and not now.is_marked and is_same else ""


def _changes(what: str, then: FileFacts, now: FileFacts) -> Iterator[Difference]:
    """An inode alone says nothing: some file systems number anew with each mount, and no copy of a
    file has its change time."""
    if now.length != then.length:
        words = f"has {now.length:,} bytes, not the {then.length:,} with which it was committed"
        yield Difference(CHANGED, what + words)
    elif now.mtime_ns != then.mtime_ns:
        yield Difference(CHANGED, f"{what}was written to after it was committed")
    elif not then.ctime_ns:
        yield Difference(DOUBTED, f"{what}was in doubt when others were merged")
    elif now.ctime_ns != then.ctime_ns:
        how = (
            "is another file of the same length and age, as after a copy or from a backup"
            if now.inode != then.inode
            else "was renamed, given other rights, or written to and dated back"
        )
        yield Difference(DOUBTED, what + how)


def _facts(file: IO[bytes]) -> FileFacts:
    found = os.fstat(file.fileno())
    # Some file systems use all 64 bits; the row keeps what a manifest can.
    inode = found.st_ino & _LARGEST
    return FileFacts(found.st_size, found.st_mtime_ns, inode, found.st_ctime_ns)


def _autoclear(file: IO[bytes]) -> int:
    raw = os.pread(file.fileno(), _AUTOCLEAR.size, _AUTOCLEAR_AT)
    return int.from_bytes(raw, "big") if len(raw) == _AUTOCLEAR.size else 0


def _is_open_for_writing(path: Path) -> bool:
    """Where the file system has no locks, nothing is known."""
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _WRITE_LOCK_AT, 1, 0)
    try:
        with open_regular(path) as file:
            answer = fcntl.fcntl(file.fileno(), fcntl.F_OFD_GETLK, question)
    except OSError:
        return False
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def _give_mode(file: IO[bytes], mode: int) -> None:
    if stat.S_IMODE(os.fstat(file.fileno()).st_mode) != mode:
        os.fchmod(file.fileno(), mode)
