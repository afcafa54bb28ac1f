"""Checks of the files in repositories, both ways. No file is ever changed or removed here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from replication.engine import qemu
from replication.engine.digests import digest_of_map
from replication.engine.directory import DIGESTS_SUFFIX, MARKER, DirectoryRepository
from replication.engine.errors import (
    EngineError,
    ImageDamaged,
    RepositoryUnavailable,
    TargetError,
)
from replication.engine.header import read_header
from replication.integrity.findings import Code, Finding, Scope, SecondLook, check, in_batches
from replication.models import DiskImage, RecoveryPoint, Repository
from replication.states import ImageState, LeaseHolder, RecoveryPointState, Severity
from replication.storage import looks
from replication.storage.errands import DoesNotAnswer
from replication.storage.looks import ACT_SECONDS, StorageState
from replication.storage.targets import target, visit

FAIL_OVER_TO_OLDER = "Do not fail over to its recovery point, nor to later ones that stand on it. "
REPOSITORY_UNAVAILABLE = Code(
    "repository_unavailable",
    "Mount the repository's storage on this machine, then check again. Nothing was judged missing "
    "there.",
    Severity.WARNING,
)
IMAGE_FILE_MISSING = Code(
    "image_file_missing",
    FAIL_OVER_TO_OLDER + "Restore the file from a backup if there is one; a new first replication "
    "of the disk makes a new chain.",
)
IMAGE_FILE_DAMAGED = Code(
    "image_file_damaged",
    FAIL_OVER_TO_OLDER + "Restore the file from a backup if there is one, and look at the storage.",
)
IMAGE_SIZE_DIFFERS = Code(
    "image_size_differs",
    FAIL_OVER_TO_OLDER + "The file is not the one that vmrep wrote: somebody changed it.",
)
BACKING_FILE_DIFFERS = Code(
    "backing_file_differs",
    FAIL_OVER_TO_OLDER + "The file stands on another one than vmrep recorded. If the right file "
    "is there, `qemu-img rebase -u` puts the name right.",
)
DIGEST_DIFFERS = Code(
    "digest_differs",
    "The digests beside the image are not those that its job recorded, so that the image can no "
    "longer be verified with them. Compare it with its VM, or replicate anew.",
)
FILE_WITHOUT_ROW = Code(
    "file_without_row",
    "vmrep never removes a file that it has no row for: the database may have been restored from "
    "an older backup. Remove or keep it yourself.",
    Severity.WARNING,
)
TEMPORARY_FILE_WITHOUT_ROW = Code(
    "temporary_file_without_row",
    "An unfinished image of a job that vmrep no longer knows. No recovery point needs it; remove "
    "it yourself once no other vmrep uses this folder.",
    Severity.WARNING,
)

_TEMPORARY = re.compile(r"(.+)\.(\d{1,9})\.tmp")
BATCH = 500


LOOK_SECONDS = 60.0
"""For the look at one image, or at a batch of names."""
DEEP_SECONDS = 1800.0
"""For the look through one image's tables."""


def _storages() -> Iterator[tuple[Repository, DirectoryRepository]]:
    """Every repository that can be used now; the others are `repository_unavailable`'s."""
    for repository, state in _states():
        if not state.problem:
            yield repository, target(repository)


@contextmanager
def _noted(scope: Scope, repository: Repository) -> Iterator[None]:
    """One that stops answering is given up, for `repository_unavailable` to tell: the others are
    checked, and what seems to be missing in this one is not known to be."""
    try:
        yield
    except DoesNotAnswer as problem:
        scope.given_up[repository.pk] = str(problem)


def _states() -> list[tuple[Repository, StorageState]]:
    all_of_them = list(Repository.objects.order_by("pk"))
    states = looks.look_at_all(all_of_them, seconds=ACT_SECONDS)
    return list(zip(all_of_them, states, strict=True))


@check(
    IMAGE_FILE_MISSING,
    IMAGE_FILE_DAMAGED,
    IMAGE_SIZE_DIFFERS,
    BACKING_FILE_DIFFERS,
    DIGEST_DIFFERS,
    second_look=SecondLook.AGAIN,
)
def image_files(scope: Scope) -> Iterator[Finding]:
    """Each committed image of an available point: there, whole at first sight, on its parent.

    With `deep` qemu-img checks each one's tables, and the file of its digests is added up again.
    The content is not read.
    """
    for repository, storage in _storages():
        with _noted(scope, repository):
            for batch in in_batches(_judged_images(scope, repository), BATCH):
                found = [it for image in batch for it in _visited(image, storage, scope)]
                if looks.look(repository, seconds=ACT_SECONDS).problem:
                    break  # unmounted meanwhile: what seemed missing is not known to be
                yield from found


def _visited(image: DiskImage, storage: DirectoryRepository, scope: Scope) -> list[Finding]:
    """What a look at the image's file finds. Raises DoesNotAnswer."""
    scope.on_progress()
    return visit(
        image.repository,
        "integrity",
        lambda: list(_look_at(image, storage, scope)),
        seconds=DEEP_SECONDS if scope.deep else LOOK_SECONDS,
        on_wait=scope.on_progress,
    )


def _judged_images(scope: Scope, repository: Repository) -> Any:
    """Committed images that no retention or deletion is at work on."""
    images = (
        scope.within(DiskImage.objects.filter(repository=repository, state=ImageState.COMMITTED))
        .filter(recovery_point__state=RecoveryPointState.AVAILABLE)
        .exclude(
            vm_context_id__in=RecoveryPoint.objects.filter(
                state=RecoveryPointState.EXPIRING
            ).values("vm_context_id")
        )
    )
    at_rest = scope.at_rest(images, "vm_context_id", LeaseHolder.RETENTION, LeaseHolder.DELETION)
    rows = at_rest.select_related("vm_context", "parent", "repository")
    return rows.defer("vm_context__annotation")


def _look_at(image: DiskImage, storage: DirectoryRepository, scope: Scope) -> Iterator[Finding]:
    """In a thread of its own: all that it needs of the database has been read."""

    def found(code: Code, what: str) -> Finding:
        return code.finding(
            f"{image.locator}: {what}",
            key=image.pk,
            context_id=image.vm_context_id,
            vm_name=image.vm_context.vm_name,
            job_id=image.job_id,
        )

    try:
        path = storage.path(image.locator)
        if not path.is_file():
            yield found(IMAGE_FILE_MISSING, f"there is no file {path}.")
            return
        header = read_header(path)
        if scope.deep:
            qemu.check(path)
    except RepositoryUnavailable:
        return
    except ImageDamaged as problem:
        yield found(IMAGE_FILE_DAMAGED, str(problem))
        return
    except (TargetError, OSError) as problem:
        yield found(IMAGE_FILE_DAMAGED, f"the file cannot be used: {problem}")
        return
    if header.virtual_size_bytes != image.capacity_bytes:
        yield found(
            IMAGE_SIZE_DIFFERS,
            f"the file is a disk of {header.virtual_size_bytes} bytes, not of "
            f"{image.capacity_bytes}.",
        )
    if (wrong := _wrong_backing(image, path, header.backing, storage)) is not None:
        yield found(BACKING_FILE_DIFFERS, wrong)
    if scope.deep and image.digest:
        yield from (found(DIGEST_DIFFERS, what) for what in _wrong_digest(image, storage))


def _wrong_backing(
    image: DiskImage, path: Path, backing: str | None, storage: DirectoryRepository
) -> str | None:
    """What is wrong with the backing file, as the header names it; None: nothing is."""
    expected = None
    if image.parent is not None:
        parent = storage.root / image.parent.locator
        expected = os.path.relpath(parent, path.parent)
    found = None if backing is None else os.path.normpath(backing)
    if found == expected:
        return None
    return f"the file stands on {backing or 'none'}, its row on {expected or 'none'}."


def _wrong_digest(image: DiskImage, storage: DirectoryRepository) -> Iterator[str]:
    path = storage.digest_path(image.locator)
    if not path.exists():
        return
    try:
        digest = digest_of_map(path)
    except (EngineError, OSError) as problem:
        yield str(problem)
        return
    if digest != image.digest:
        yield f"the digests beside it come to {digest}, its row says {image.digest}."


@check(FILE_WITHOUT_ROW, TEMPORARY_FILE_WITHOUT_ROW, second_look=SecondLook.NONE)
def files_without_row(scope: Scope) -> Iterator[Finding]:
    """Files that no row names. A row is committed before its file is made, and goes after it: so
    a file that is still there once its row is known to be missing is nobody's.

    Hidden names, `lost+found` and what lies behind symbolic links are not looked at: vmrep gives
    no such names.
    """
    for repository, storage in _storages():
        with _noted(scope, repository):
            yield from _nobodys_files(repository, storage, scope)


def _nobodys_files(
    repository: Repository, storage: DirectoryRepository, scope: Scope
) -> Iterator[Finding]:
    """Of one repository. Raises DoesNotAnswer."""

    def at_storage(work: Callable[[], list[str]]) -> list[str]:
        scope.on_progress()
        return visit(repository, "integrity", work, seconds=LOOK_SECONDS, on_wait=scope.on_progress)

    names = _files_below(storage.root)
    while batch := at_storage(lambda: list(islice(names, BATCH))):
        unknown = _unknown(repository, batch)
        still_there = at_storage(partial(_those_there, storage, unknown))
        found = _unknown(repository, still_there) if still_there else []
        if looks.look(repository, seconds=ACT_SECONDS).problem:
            return
        yield from (_nobodys(repository, name) for name in found)


def _those_there(storage: DirectoryRepository, names: list[str]) -> list[str]:
    return [name for name in names if os.path.lexists(storage.root / name)]


def _files_below(root: Path) -> Iterator[str]:
    """Relative names of all files, without following links."""
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if _is_looked_at(name))
        for name in sorted(files):
            relative = os.path.relpath(Path(folder) / name, root)
            if _is_looked_at(name) and relative not in (MARKER, f"{MARKER}.new"):
                yield relative


def _is_looked_at(name: str) -> bool:
    return not name.startswith(".") and name != "lost+found"


def _unknown(repository: Repository, names: list[str]) -> list[str]:
    """Those that no image's row names: neither as its file nor as what lies beside it."""
    locators = {_image_of(name)[0] for name in names}
    readable = [locator for locator in locators if locator.isprintable()]
    rows = DiskImage.objects.filter(repository=repository, locator__in=readable)
    attempts = dict(rows.values_list("locator", "attempt"))
    return [name for name in names if not _is_known(name, attempts)]


def _is_known(name: str, attempts: dict[str, int]) -> bool:
    locator, attempt = _image_of(name)
    return locator in attempts and attempt in (None, attempts[locator])


def _image_of(name: str) -> tuple[str, int | None]:
    """The locator that a file belongs to, and the attempt of an unfinished one."""
    image = name.removesuffix(DIGESTS_SUFFIX)
    unfinished = _TEMPORARY.fullmatch(image)
    return (unfinished[1], int(unfinished[2])) if unfinished else (image, None)


def _nobodys(repository: Repository, name: str) -> Finding:
    code = FILE_WITHOUT_ROW if _image_of(name)[1] is None else TEMPORARY_FILE_WITHOUT_ROW
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    return code.finding(
        f"Repository {repository.name}: no row names the file {shown}.",
        key=f"{repository.pk} {shown}",
    )


# The last of this module: it also tells of those that stopped answering while they were checked.
@check(REPOSITORY_UNAVAILABLE, second_look=SecondLook.NONE)
def repository_unavailable(scope: Scope) -> Iterator[Finding]:
    for repository, state in _states():
        if problem := scope.given_up.get(repository.pk):
            what = f"The repository {repository.name} was not checked to its end: {problem}"
        elif state.problem:
            what = f"The repository {repository.name} was not checked: {state.problem}"
        else:
            continue
        yield REPOSITORY_UNAVAILABLE.finding(what, key=repository.pk)
