"""File systems of their own: one that hangs, one that keeps a part for root and can be frozen."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2


def let_hang(folder: Path) -> int:
    """From now on whatever is asked of the folder waits, as on a share whose server is away: this
    is a FUSE file system that nobody serves. Whoever waits hears that the connection is gone when
    the descriptor is closed; `uncover` brings back what was there before."""
    descriptor = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={descriptor},rootmode=40000,user_id=0,group_id=0"
    if _libc.mount(b"hangs", bytes(folder), b"fuse", 0, options.encode()):
        os.close(descriptor)
        pytest.skip(f"nothing can be mounted here: {os.strerror(ctypes.get_errno())}")
    return descriptor


def uncover(folder: Path) -> None:
    assert _libc.umount2(bytes(folder), _MNT_DETACH) == 0


@contextlib.contextmanager
def _hanging(folder: Path) -> Iterator[None]:
    """The folder hangs until the block ends."""
    descriptor = let_hang(folder)
    try:
        yield
    finally:
        os.close(descriptor)
        uncover(folder)


@pytest.fixture
def hanging_share() -> Callable[[Path], AbstractContextManager[None]]:
    """`with hanging_share(folder):` the folder does not answer."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("only root can mount a share that hangs")
    return _hanging


class Ext4:
    """A small file system; `frozen` lets it be read, and lets every change wait."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder, self._image = folder, image

    @contextlib.contextmanager
    def unmounted(self) -> Iterator[None]:
        """The folder is the empty one below, until the block ends."""
        subprocess.run(["umount", self.folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "loop", self._image, self.folder], check=True)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        subprocess.run(["fsfreeze", "--freeze", self.folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", self.folder], check=True)


@pytest.fixture
def small_ext4(tmp_path: Path) -> Iterator[Ext4]:
    """With 32 MiB, of which it keeps a part for root."""
    folder, image = tmp_path / "ext4", tmp_path / "ext4.img"
    folder.mkdir()
    subprocess.run(["truncate", "--size=32M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "5", image], check=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", image, folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield Ext4(folder, image)
    subprocess.run(["umount", folder], check=True)


class RefusingShare:
    """A file system of one empty folder that answers what the kernel asks, and refuses some of it
    with an errno: a FUSE server of a few messages (/usr/include/linux/fuse.h)."""

    _LOOKUP, _FORGET, _GETATTR, _INIT, _BATCH_FORGET = 1, 2, 3, 26, 42
    CHANGES = (8, 9, 35)  # making a node, a folder, a file
    LOOKS = (_LOOKUP, 17, 22, 27, *CHANGES)

    def __init__(self, folder: Path, refused: int, what: tuple[int, ...]) -> None:
        self._refused, self._what = refused, what
        self._descriptor = let_hang(folder)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._descriptor, 1 << 17)
            except OSError:
                return  # unmounted
            opcode, unique = struct.unpack_from("<IQ", request, 4)
            if opcode not in (self._FORGET, self._BATCH_FORGET):
                self._answer(opcode, unique)

    def _answer(self, opcode: int, unique: int) -> None:
        error, body = errno.ENOSYS, b""
        if opcode == self._INIT:
            error, body = 0, struct.pack("<4I2H2I36x", 7, 31, 4096, 0, 8, 8, 4096, 1)
        elif opcode in self._what:
            error = self._refused
        elif opcode == self._GETATTR:
            numbers = (1, 4096, 8, 0, 0, 0, 0, 0, 0, 0o40700, 2, os.geteuid(), 0, 0, 4096, 0)
            error, body = 0, struct.pack("<QII6Q10I", 0, 0, 0, *numbers)
        elif opcode == self._LOOKUP:
            error = errno.ENOENT
        with contextlib.suppress(OSError):  # unmounted meanwhile
            os.write(self._descriptor, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)

    def close(self, folder: Path) -> None:
        uncover(folder)
        os.close(self._descriptor)


@pytest.fixture
def refusing_share() -> Callable[..., AbstractContextManager[None]]:
    """`with refusing_share(folder, errno, what):` from now on the folder refuses that."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("only root can mount a share that refuses")

    @contextlib.contextmanager
    def refusing(folder: Path, refused: int, what: tuple[int, ...]) -> Iterator[None]:
        share = RefusingShare(folder, refused, what)
        try:
            yield
        finally:
            share.close(folder)

    return refusing
