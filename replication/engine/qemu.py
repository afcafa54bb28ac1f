"""Thin wrappers around qemu-img. Formats are always named, never probed; paths are absolute."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from replication.engine.errors import (
    FULL,
    REMEDIES,
    ImageDamaged,
    ImageInUse,
    RepositoryFull,
    TargetError,
    errno_in,
)
from replication.engine.processes import Child, ProcessIdentity, spawn

_CHECK_CORRUPT, _CHECK_LEAKED = 2, 3

LONGEST_SECONDS = 1500
"""Enough to check a huge image on a slow disk; a worker that stalls is ended soon after."""

WAIT_SECONDS = 1.0
_LAST_WORDS_BYTES = 64
_SHARE = re.compile(r"\((\d+\.\d+)/100%\)")


class CheckResult(NamedTuple):
    """The outcome of a check that found no corruption."""

    leaked_clusters: int
    """Space that an unclean end left unused; harmless."""


def nodes(path: Path, *, read_only: bool, **file: object) -> dict[str, object]:
    """How an image is given to qemu so that it opens only this file: it does not follow the
    backing file that the header names. ``file``: more about how it is opened."""
    return {
        "driver": "qcow2",
        "read-only": read_only,
        "backing": None,
        "file": {"driver": "file", "filename": str(path), "read-only": read_only, **file},
    }


def past_the_cache(path: Path) -> dict[str, object]:
    """What `nodes` adds for a file that is to be written: nothing of it is kept in the page cache,
    which is faster and leaves the host's memory to others. Empty where the file system has no such
    way."""
    try:
        descriptor = os.open(path, os.O_DIRECT | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return {}  # the daemon says what is wrong, if it cannot be opened at all
    os.close(descriptor)
    return {"cache": {"direct": True}, "aio": "io_uring" if _has_io_uring() else "threads"}


@cache
def _has_io_uring() -> bool:
    """Whether kernel, container and this build of qemu allow it: it is tried, once per process."""
    node = {"driver": "file", "filename": __file__, "aio": "io_uring"}
    try:
        _run("info", "--force-share", _json({"driver": "raw", "file": node}))
    except TargetError:
        return False
    return True


def create(path: Path, size_bytes: int, backing: str | None = None) -> None:
    """Make an empty qcow2 image, replacing what is at ``path``.

    ``backing``, the name of a qcow2 file, is only recorded: nothing is opened.
    """
    over = [] if backing is None else ["-u", "-F", "qcow2", "-b", backing]
    options = ["-o", "compat=1.1,lazy_refcounts=off"]
    _run("create", "-q", "-f", "qcow2", *options, *over, str(path), str(size_bytes))


def commit(
    chain: Sequence[Path],
    *,
    on_start: Callable[[ProcessIdentity], None],
    on_wait: Callable[[float], None],
) -> None:
    """Write all that the first image of a chain holds into the second, which thereby grows to its
    size. No header is followed; the first one's file stays as it is, but must be writable.

    ``on_start`` is told the process; ``on_wait`` is called every second, for as long as it takes,
    with the share that is done (0 to 1). Whatever they raise kills the process. Not synced.
    """
    image: dict[str, object] | None = None
    for number in reversed(range(len(chain))):
        image = nodes(chain[number], read_only=number > 1) | {"backing": image}
    _run("commit", "-p", "-d", _json(image), on_start=on_start, on_wait=on_wait)


def name_backing(path: Path, name: str) -> None:
    """Let the header of an image name that qcow2 file as its backing file. Nothing else is opened
    or changed. Not synced."""
    image = _json(nodes(path, read_only=False))
    _run("rebase", "-q", "-u", "-F", "qcow2", "-b", name, image)


def check(path: Path, on_wait: Callable[[float], None] | None = None) -> CheckResult:
    """Check an image's own structure (not its content). Raises ImageDamaged on corruption.

    Leaked clusters (exit code 3) are fine: they cost space, not data. ``on_wait`` as for `commit`.
    """
    node = nodes(path, read_only=True, **past_the_cache(path))
    child = _finished("check", "--output=json", _json(node), on_wait=on_wait)
    try:
        code = child.poll()
        if code not in (0, _CHECK_CORRUPT, _CHECK_LEAKED):
            raise _failure("check", child, otherwise=ImageDamaged)
        report = json.loads(_text(child.stdout))
    finally:
        child.close()
    errors = report.get("corruptions", 0) + report.get("check-errors", 0)
    if code == _CHECK_CORRUPT or errors:
        raise ImageDamaged(
            f"{path} is damaged: qemu-img check found {errors} errors. "
            "It must not be used; the disk has to be copied again."
        )
    return CheckResult(report.get("leaks", 0))


def _json(node: dict[str, object] | None) -> str:
    return "json:" + json.dumps(node)


def _run(
    command: str,
    *arguments: str,
    on_start: Callable[[ProcessIdentity], None] | None = None,
    on_wait: Callable[[float], None] | None = None,
) -> str:
    child = _finished(command, *arguments, on_start=on_start, on_wait=on_wait)
    try:
        if child.poll():
            raise _failure(command, child)
        return _text(child.stdout)
    finally:
        child.close()


def _finished(
    command: str,
    *arguments: str,
    on_start: Callable[[ProcessIdentity], None] | None = None,
    on_wait: Callable[[float], None] | None = None,
) -> Child:
    child = spawn(["qemu-img", command, *arguments])
    try:
        if on_start is not None:
            on_start(child.identity)
        if on_wait is None:
            child.wait(LONGEST_SECONDS)
        else:
            _await(child, on_wait)
    except BaseException as reason:
        child.kill()
        child.close()
        if isinstance(reason, TimeoutError) and on_wait is None:
            raise TargetError(
                f"qemu-img {command} did not end within {LONGEST_SECONDS} seconds: is the "
                "repository's storage hanging?"
            ) from reason
        raise
    return child


def _await(child: Child, on_wait: Callable[[float], None]) -> None:
    while True:
        on_wait(_share_done(child.stdout))
        with contextlib.suppress(TimeoutError):
            child.wait(WAIT_SECONDS)
            return


def _share_done(stdout: IO[bytes]) -> float:
    """What a program that reports its progress (-p) said last; 0 if it has said nothing yet."""
    start = max(0, os.fstat(stdout.fileno()).st_size - _LAST_WORDS_BYTES)
    said = _SHARE.findall(os.pread(stdout.fileno(), _LAST_WORDS_BYTES, start).decode())
    return float(said[-1]) / 100 if said else 0.0


def _text(stdout: IO[bytes]) -> str:
    stdout.seek(0)
    return stdout.read().decode()


def _failure(command: str, child: Child, otherwise: type[TargetError] = TargetError) -> TargetError:
    """The error that matches what qemu-img said; ``otherwise`` if its words are not known."""
    # It repeats the images that it was given, which may be a whole chain of them.
    said = child.error_text().rpartition("}': ")[2]
    words = said or f"exit code {child.poll()}"
    message = f"qemu-img {command} failed: {words}"
    number = errno_in(words)
    if number in FULL:
        return RepositoryFull(f"{message}. {REMEDIES[number]}")
    if child.poll() == 127:
        return TargetError(f"{message}. The package qemu-utils is needed.")
    if number is not None and "lock" not in words:
        return TargetError(f"{message}. {REMEDIES[number]}")
    if "lock" in words or "No such file" in words:
        return ImageInUse(f"{message}. Another process uses the image, or it cannot be reached.")
    return otherwise(message)
