"""Thin wrappers around qemu-img. Formats are always named, never probed; paths are absolute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, NamedTuple

from replication.engine.errors import (
    FULL,
    REMEDIES,
    ImageDamaged,
    RepositoryFull,
    TargetError,
    errno_in,
)
from replication.engine.processes import Child, spawn

_CHECK_CORRUPT, _CHECK_LEAKED = 2, 3

LONGEST_SECONDS = 1500
"""Enough to check a huge image on a slow disk; a worker that stalls is ended soon after."""


class CheckResult(NamedTuple):
    """The outcome of a check that found no corruption."""

    leaked_clusters: int
    """Space that an unclean end left unused; harmless."""


def nodes(path: Path, *, read_only: bool) -> dict[str, object]:
    """How an image is given to qemu so that it opens only this file: it does not follow the
    backing file that the header names."""
    return {
        "driver": "qcow2",
        "read-only": read_only,
        "backing": None,
        "file": {"driver": "file", "filename": str(path), "read-only": read_only},
    }


def create(path: Path, size_bytes: int, backing: str | None = None) -> None:
    """Make an empty qcow2 image, replacing what is at ``path``.

    ``backing``, the name of a qcow2 file, is only recorded: nothing is opened.
    """
    over = [] if backing is None else ["-u", "-F", "qcow2", "-b", backing]
    options = ["-o", "compat=1.1,lazy_refcounts=off"]
    _run("create", "-q", "-f", "qcow2", *options, *over, str(path), str(size_bytes))


def check(path: Path) -> CheckResult:
    """Check an image's own structure (not its content). Raises ImageDamaged on corruption.

    Leaked clusters (exit code 3) are fine: they cost space, not data.
    """
    image = "json:" + json.dumps(nodes(path, read_only=True))
    child = _finished("check", "--output=json", image)
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


def _run(command: str, *arguments: str) -> str:
    child = _finished(command, *arguments)
    try:
        if child.poll():
            raise _failure(command, child)
        return _text(child.stdout)
    finally:
        child.close()


def _finished(command: str, *arguments: str) -> Child:
    child = spawn(["qemu-img", command, *arguments])
    try:
        child.wait(LONGEST_SECONDS)
    except BaseException as reason:
        child.kill()
        child.close()
        if isinstance(reason, TimeoutError):
            raise TargetError(
                f"qemu-img {command} did not end within {LONGEST_SECONDS} seconds: is the "
                "repository's storage hanging?"
            ) from reason
        raise
    return child


def _text(stdout: IO[bytes]) -> str:
    stdout.seek(0)
    return stdout.read().decode()


def _failure(command: str, child: Child, otherwise: type[TargetError] = TargetError) -> TargetError:
    """The error that matches what qemu-img said; ``otherwise`` if its words are not known."""
    words = child.error_text() or f"exit code {child.poll()}"
    message = f"qemu-img {command} failed: {words}"
    number = errno_in(words)
    if number in FULL:
        return RepositoryFull(f"{message}. {REMEDIES[number]}")
    if child.poll() == 127:
        return TargetError(f"{message}. The package qemu-utils is needed.")
    if number is not None and "lock" not in words:
        return TargetError(f"{message}. {REMEDIES[number]}")
    if "lock" in words or "No such file" in words:
        return TargetError(f"{message}. Another process uses the image, or it cannot be reached.")
    return otherwise(message)
