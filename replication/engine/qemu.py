"""Thin wrappers around qemu-img. Formats are always named, never probed; paths are absolute."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from replication.engine.errors import ImageDamaged, RepositoryFull, TargetError
from replication.engine.processes import Child, spawn

_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")
_CHECK_CORRUPT, _CHECK_LEAKED = 2, 3

LONGEST_SECONDS = 1500
"""For the check of a huge image on a slow disk; a worker that stalls is ended soon after."""


class ImageInfo(NamedTuple):
    """What an image's header says."""

    virtual_size_bytes: int
    backing: str | None
    """The backing file as written in the header, not resolved."""


class CheckResult(NamedTuple):
    """The outcome of a check that found no corruption."""

    leaked_clusters: int
    """Space that an unclean end left unused; harmless."""


class MapEntry(NamedTuple):
    """One stretch of an image, as qemu-img map reports it."""

    offset: int
    length: int
    depth: int
    """0: in the image itself, 1: in its backing file, …"""
    zero: bool
    data: bool


def create(path: Path, size_bytes: int, backing: str | None = None) -> None:
    """Make an empty qcow2 image, replacing what is at ``path``.

    ``backing`` is a qcow2 file; a relative name counts from the folder of ``path``. qemu opens it
    to make sure that it is there.
    """
    over = [] if backing is None else ["-F", "qcow2", "-b", backing]
    options = ["-o", "compat=1.1,lazy_refcounts=off"]
    _run("create", "-q", "-f", "qcow2", *options, *over, str(path), str(size_bytes))


def info(path: Path) -> ImageInfo:
    """Read an image's header."""
    facts = json.loads(_run("info", "--output=json", "-f", "qcow2", str(path)))
    return ImageInfo(facts["virtual-size"], facts.get("backing-filename"))


def check(path: Path) -> CheckResult:
    """Check an image's own structure (not its content). Raises ImageDamaged on corruption.

    Leaked clusters (exit code 3) are fine: they cost space, not data.
    """
    child = _finished("check", "-f", "qcow2", "--output=json", str(path))
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
            "It must not be used; the disk has to be copied anew."
        )
    return CheckResult(report.get("leaks", 0))


def compare(one: Path, other: Path, *, other_format: str = "qcow2") -> bool:
    """Whether a qcow2 image and another image read the same; a longer tail must be zero."""
    child = _finished("compare", "-q", "-f", "qcow2", "-F", other_format, str(one), str(other))
    try:
        if child.poll() not in (0, 1):
            raise _failure("compare", child)
        return child.poll() == 0
    finally:
        child.close()


def map_image(path: Path) -> Iterator[MapEntry]:
    """Where each part of an image comes from, one entry at a time."""
    child = _finished("map", "--output=json", "-f", "qcow2", str(path))
    try:
        if child.poll():
            raise _failure("map", child)
        child.stdout.seek(0)
        for line in child.stdout:  # one entry per line, as long as the list is
            if entry := line.strip(b"[], \n"):
                facts = json.loads(entry)
                yield MapEntry(
                    facts["start"], facts["length"], facts["depth"], facts["zero"], facts["data"]
                )
    finally:
        child.close()


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
    """The error that fits what qemu-img said; ``otherwise`` where its words are not known."""
    words = child.error_text() or f"exit code {child.poll()}"
    message = f"qemu-img {command} failed: {words}"
    if any(full in words for full in _FULL_WORDS):
        return RepositoryFull(f"{message}. Free space, then try again.")
    if child.poll() == 127:
        return TargetError(f"{message}. The package qemu-utils is needed.")
    if "lock" in words or "No such file" in words or "Permission denied" in words:
        return TargetError(f"{message}. Another process uses the image, or it cannot be reached.")
    return otherwise(message)
