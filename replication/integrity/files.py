"""Checks of the files in repositories, both ways. No file is ever changed or removed here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef, Q

from contexts.database_errors import own_words
from replication.engine.errors import (
    EngineError,
    ImageDamaged,
    ImageMissing,
    RepositoryUnavailable,
    TargetError,
)
from replication.engine.target import (
    CHANGED,
    DOUBTED,
    FORM,
    OPENED,
    PARENT,
    SIZE,
    Layer,
    Stored,
    Target,
)
from replication.integrity.findings import (
    CHECK_BROKE_OFF,
    Code,
    Finding,
    Scope,
    SecondLook,
    check,
    in_batches,
)
from replication.models import DiskImage, ImageDamage, ImageMerge, Repository
from replication.services import commits, damages
from replication.states import ImageState, LeaseHolder, RecoveryPointState, Severity
from replication.storage import looks
from replication.storage.errands import DoesNotAnswer
from replication.storage.looks import ACT_SECONDS, StorageState
from replication.storage.targets import target, visit

log = logging.getLogger(__name__)

FAIL_OVER_TO_OLDER = "Do not fail over to its recovery point, or to later ones based on it. "
REPOSITORY_UNAVAILABLE = Code(
    "repository_unavailable",
    "Mount the repository's storage on this machine, then check again. Nothing was found missing "
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
    FAIL_OVER_TO_OLDER + "Restore the file from a backup if there is one, and check the storage.",
)
IMAGE_SIZE_DIFFERS = Code(
    "image_size_differs",
    FAIL_OVER_TO_OLDER + "The file was changed after vmrep wrote it.",
)
BACKING_FILE_DIFFERS = Code(
    "backing_file_differs",
    FAIL_OVER_TO_OLDER + "The file is based on a file other than the one that vmrep recorded. "
    "Restore it from a backup, or replicate the VM: it is copied in full, into a new chain.",
)
DIGEST_DIFFERS = Code(
    "digest_differs",
    "The digests next to the image are not those that its job recorded, so the image can no "
    "longer be verified with them. Compare it with its VM, or replicate again.",
)
IMAGE_FILE_CHANGED = Code(
    damages.FILE_CHANGED,
    FAIL_OVER_TO_OLDER + "Another program, or the storage, changed the file after vmrep had"
    " committed it. Replicate the VM: it is copied in full, into a new chain. Find out what changed"
    " the file.",
)
IMAGE_OPENED_ELSEWHERE = Code(
    damages.OPENED_ELSEWHERE,
    FAIL_OVER_TO_OLDER + "A program that opens an image for writing changes it, even if a VM that"
    " is started on it does nothing. Start VMs on an overlay (qemu-img create -b) or on a copy."
    " Replicate the VM: it is copied in full, into a new chain.",
)
IMAGE_IN_DOUBT = Code(
    damages.IN_DOUBT,
    "Nothing says that its content is another one, nor that it is not. So nothing is based on it:"
    " the VM’s next replication copies it in full, into a new chain. That is as it must be after"
    " the repository was copied, or restored from a backup.",
    Severity.WARNING,
)
FILE_WITHOUT_ROW = Code(
    "file_without_row",
    "vmrep never removes a file that it has no row for: the database may have been restored from "
    "an older backup. Remove or keep it yourself.",
    Severity.WARNING,
)
TEMPORARY_FILE_WITHOUT_ROW = Code(
    "temporary_file_without_row",
    "This is an unfinished image of a job that vmrep no longer knows. No recovery point needs it; "
    "remove it yourself once no other vmrep uses this folder.",
    Severity.WARNING,
)

T = TypeVar("T")
BATCH = 500


LOOK_SECONDS = 60.0
"""For a look at one image, or at a batch of names."""
DEEP_SECONDS = 1800.0
"""For the look through one image's tables."""


def storages() -> Iterator[tuple[Repository, Target]]:
    """Every repository that can be used now; `repository_unavailable` reports the others."""
    for repository, state in _states():
        if not state.problem:
            yield repository, target(repository)


@contextmanager
def _noted(scope: Scope, repository: Repository) -> Iterator[None]:
    """A repository that stops answering is given up, which `repository_unavailable` reports: the
    others are checked, and what seems to be missing in this one may not be."""
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
    IMAGE_FILE_CHANGED,
    IMAGE_OPENED_ELSEWHERE,
    IMAGE_IN_DOUBT,
    second_look=SecondLook.AGAIN,
)
def image_files(scope: Scope) -> Iterator[Finding]:
    """Each committed image of an available point: it exists, looks whole, is on its parent, and its
    files are as they were committed. What an older version did not note of them is noted now.

    With `deep`, qemu-img also checks its tables, and the digest of its digest file is recomputed.
    The content is not read.
    """
    for repository, storage in storages():
        with _noted(scope, repository):
            for batch in in_batches(_judged_images(scope, repository), BATCH):
                looked_at = {image.pk: _visited(image, storage, scope) for image in batch}
                unknown = [it for it in batch if not it.as_committed and looked_at[it.pk] == []]
                facts = _facts(repository, storage, unknown, scope)
                if looks.look(repository, seconds=ACT_SECONDS).problem:
                    break  # unmounted meanwhile: what seemed missing may not be
                _note_looks(scope, looked_at)
                _keep_first(unknown, facts)
                yield from (it for found in looked_at.values() for it in found or ())


def _facts(
    repository: Repository, storage: Target, images: list[DiskImage], scope: Scope
) -> dict[int, str]:
    """Of images that are as their rows say, and of whose files nothing else is known."""

    def looked_at() -> dict[int, str]:
        found = {}
        for image in images:
            with suppress(TargetError):
                found[image.pk] = storage.facts(image.locator)
        return found

    if not images:
        return {}
    return visit(
        repository, "integrity", looked_at, seconds=LOOK_SECONDS, on_wait=scope.on_progress
    )


def _keep_first(images: list[DiskImage], facts: dict[int, str]) -> None:
    contexts = {image.pk: image.vm_context_id for image in images}
    for context_id in dict.fromkeys(contexts.values()):
        mine = {pk: text for pk, text in facts.items() if contexts[pk] == context_id}
        if mine:
            commits.keep_first(context_id, mine)


def _note_looks(scope: Scope, looked_at: dict[int, list[Finding] | None]) -> None:
    """Which images with a known damage were looked at: only these can be whole again."""
    seen = [pk for pk, found in looked_at.items() if found is not None]
    known = ImageDamage.objects.filter(image__in=seen, cleared_at__isnull=True)
    scope.looked_at.update(known.values_list("image_id", flat=True))


def _visited(image: DiskImage, storage: Target, scope: Scope) -> list[Finding] | None:
    """What a look at the image's file finds; None if the repository went away. Raises
    DoesNotAnswer."""
    scope.on_progress()
    try:
        return visit(
            image.repository,
            "integrity",
            lambda: list(_look_at(image, storage, scope)),
            seconds=DEEP_SECONDS if scope.deep else LOOK_SECONDS,
            on_wait=scope.on_progress,
        )
    except DoesNotAnswer:
        raise
    except RepositoryUnavailable:
        return None


def _judged_images(scope: Scope, repository: Repository) -> Any:
    """Committed images that no retention or deletion is working on. While a recovery point is being
    removed, the rows of what is merged, and of the image that it is merged into, may be behind the
    files; all others are judged."""
    going = ImageMerge.objects.filter(Q(image=OuterRef("pk")) | Q(child=OuterRef("pk")))
    images = (
        scope.within(DiskImage.objects.filter(repository=repository, state=ImageState.COMMITTED))
        .filter(recovery_point__state=RecoveryPointState.AVAILABLE)
        .filter(~Exists(going))
    )
    at_rest = scope.at_rest(images, "vm_context_id", LeaseHolder.RETENTION, LeaseHolder.DELETION)
    rows = at_rest.select_related("vm_context", "parent", "repository")
    return rows.defer("vm_context__annotation")


_CODES = {
    SIZE: IMAGE_SIZE_DIFFERS,
    PARENT: BACKING_FILE_DIFFERS,
    FORM: IMAGE_FILE_DAMAGED,
    CHANGED: IMAGE_FILE_CHANGED,
    OPENED: IMAGE_OPENED_ELSEWHERE,
    DOUBTED: IMAGE_IN_DOUBT,
}
WATCHED = frozenset({IMAGE_FILE_CHANGED, IMAGE_OPENED_ELSEWHERE, IMAGE_IN_DOUBT})


def _look_at(image: DiskImage, storage: Target, scope: Scope) -> Iterator[Finding]:
    """Runs in a separate thread: all that it needs from the database has been read. A look that
    fails is itself a finding: it hides no other image's. Raises RepositoryUnavailable."""

    def found(code: Code, what: str) -> Finding:
        return code.finding(
            f"{image.locator}: {what}",
            key=image.pk,
            context_id=image.vm_context_id,
            vm_name=image.vm_context.vm_name,
            job_id=image.job_id,
            image_id=image.pk,
        )

    try:
        for code, what in wrong_with_file(image, storage, deep=scope.deep):
            yield found(code, what)
    except RepositoryUnavailable:
        raise
    except ImageMissing as problem:
        yield found(IMAGE_FILE_MISSING, str(problem))
    except ImageDamaged as problem:
        yield found(IMAGE_FILE_DAMAGED, str(problem))
    except TargetError as problem:
        yield found(IMAGE_FILE_DAMAGED, f"the file cannot be used: {problem}")
    except Exception as problem:
        log.exception("the look at the image %s failed", image.pk)
        yield found(CHECK_BROKE_OFF, own_words(problem))


def wrong_with_file(
    image: DiskImage,
    storage: Target,
    *,
    deep: bool,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[tuple[Code, str]]:
    """What is wrong with an image's file, if it can be read. `on_wait` is called every second while
    that takes long. Raises TargetError."""
    found = storage.differences(_with_its_parent(image))
    said = [(_CODES[it.aspect], f"the file {it.words}.") for it in found]
    in_header = [it for it in said if it[0] not in WATCHED]
    yield from (it for it in said if it[0] in WATCHED)
    if deep:  # raises what would be found in the header
        storage.check_image(image.locator, on_wait=on_wait)
    yield from in_header
    if deep:
        yield from ((DIGEST_DIFFERS, what) for what in _wrong_digests(image, storage))


def _with_its_parent(image: DiskImage) -> list[Layer]:
    return [
        Layer(each.locator, each.capacity_bytes, each.as_committed)
        for each in (image, image.parent)
        if each is not None
    ]


def _wrong_digests(image: DiskImage, storage: Target) -> Iterator[str]:
    """Of its own copy, and of all that is known of it since another image was merged with it."""
    for recorded, read in (
        (image.digest, storage.digest),
        (image.merged_digest, storage.merged_digest),
        (image.map_digest, storage.map_digest),
    ):
        try:
            digest = read(image.locator) if recorded else None
        except EngineError as problem:
            yield str(problem)
            continue
        if digest is None and recorded and read == storage.map_digest:
            yield "its chunk map is missing."
        if digest is not None and digest != recorded:
            yield f"the digests next to it give {digest}, but its row says {recorded}."


@check(FILE_WITHOUT_ROW, TEMPORARY_FILE_WITHOUT_ROW, second_look=SecondLook.NONE)
def files_without_row(scope: Scope) -> Iterator[Finding]:
    """Files that no row names. A row is committed before its file is made, and deleted after it: so
    a file that still exists once its row is known to be missing belongs to nobody.

    What `Target.stored` leaves out is not checked: vmrep gives no such names.
    """
    for repository, storage in storages():
        with _noted(scope, repository):
            yield from _nobodys_files(repository, storage, scope)


def _nobodys_files(repository: Repository, storage: Target, scope: Scope) -> Iterator[Finding]:
    """The files of one repository that no row names. Raises DoesNotAnswer."""

    def at_storage(work: Callable[[], list[T]]) -> list[T]:
        scope.on_progress()
        return visit(repository, "integrity", work, seconds=LOOK_SECONDS, on_wait=scope.on_progress)

    files = storage.stored()
    while batch := at_storage(lambda: list(islice(files, BATCH))):
        unknown = _unknown(repository, batch)
        names = [file.name for file in unknown]
        there = set(at_storage(partial(storage.still_stored, names)))
        still_there = [file for file in unknown if file.name in there]
        found = _unknown(repository, still_there) if still_there else []
        if looks.look(repository, seconds=ACT_SECONDS).problem:
            return
        yield from (_nobodys(repository, file) for file in found)


def _unknown(repository: Repository, files: list[Stored]) -> list[Stored]:
    """Those that no image's row names, neither as its file nor as a file next to it."""
    readable = [file.locator for file in files if file.locator.isprintable()]
    rows = DiskImage.objects.filter(repository=repository, locator__in=readable)
    attempts = dict(rows.values_list("locator", "attempt"))
    return [
        file
        for file in files
        if file.locator not in attempts or file.attempt not in (None, attempts[file.locator])
    ]


def _nobodys(repository: Repository, file: Stored) -> Finding:
    code = FILE_WITHOUT_ROW if file.attempt is None else TEMPORARY_FILE_WITHOUT_ROW
    shown = os.fsencode(file.name).decode("utf-8", "backslashreplace")
    return code.finding(
        f"Repository {repository.name}: no row names {shown}.",
        key=f"{repository.pk} {shown}",
    )


# The last check of this module: it also reports repositories that stopped answering meanwhile.
@check(REPOSITORY_UNAVAILABLE, second_look=SecondLook.NONE)
def repository_unavailable(scope: Scope) -> Iterator[Finding]:
    for repository, state in _states():
        if problem := scope.given_up.get(repository.pk):
            what = f"The repository {repository.name} was not checked completely: {problem}"
        elif state.problem:
            what = f"The repository {repository.name} was not checked: {state.problem}"
        else:
            continue
        yield REPOSITORY_UNAVAILABLE.finding(what, key=repository.pk)
