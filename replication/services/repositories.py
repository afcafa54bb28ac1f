"""Repositories: where replicas are kept."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from replication.engine.directory import MARKER, DirectoryRepository
from replication.engine.errors import EngineError, RepositoryUnavailable
from replication.errors import RepositoryInUse, RepositoryRefused
from replication.models import Repository
from replication.selectors.repositories import dependents_of_repository
from replication.states import RepositoryKind

# What a fresh file system brings along, and an unused folder may hold.
_UNIMPORTANT = {"lost+found", MARKER}


def add_directory(name: str, path: str) -> Repository:
    """Make a folder of this machine a repository: its marker file is written.

    The path is kept as the folder really is: without "..", doubled slashes or symbolic links, so
    that one folder has one spelling. Raises RepositoryRefused when the folder cannot be used,
    ValidationError for a name in use.
    """
    root = _real_folder(path)
    repository = Repository(
        name=name,
        kind=RepositoryKind.DIRECTORY,
        uuid=uuid.uuid4(),
        config={"path": str(root)},
    )
    repository.full_clean()
    _require_apart(root)
    with transaction.atomic():
        repository.save(force_insert=True)
        try:
            _require_unused(root)
            DirectoryRepository.initialise(root, str(repository.uuid))
        except (EngineError, OSError) as problem:
            raise RepositoryRefused(_in_words(root, problem)) from problem
    return repository


def remove(repository: Repository) -> None:
    """Forget a repository on which nothing depends. Its folder and files stay; only its marker
    goes, so that the folder can be a repository again.

    Raises RepositoryInUse while a VM, a job, a recovery point or an image belongs to it.
    """
    try:
        with transaction.atomic():
            _remove_row(repository)
    except (ProtectedError, IntegrityError) as problem:
        # Foreign keys are checked at the commit: somebody was faster.
        raise RepositoryInUse(
            f"Something was put into {repository.name} in the same moment. Look again."
        ) from problem


def _remove_row(repository: Repository) -> None:
    locked = Repository.objects.select_for_update().filter(pk=repository.pk).first()
    if locked is None:
        raise RepositoryInUse(f"{repository.name} has been removed already.")
    counts = dependents_of_repository(locked)
    if any(counts):
        raise RepositoryInUse(
            f"{locked.name} cannot be removed: {counts.contexts} VM record(s), {counts.points}"
            f" recovery point(s) and {counts.jobs} job(s) belong to it."
        )
    locked.delete()
    # The row is gone for good before the marker goes: else a failed commit would leave a
    # repository that looks unmounted.
    transaction.on_commit(lambda: _remove_marker(repository))


def storage(repository: Repository) -> DirectoryRepository:
    """The engine's view of a repository."""
    return DirectoryRepository(Path(repository.config["path"]), str(repository.uuid))


def default() -> Repository | None:
    """The repository to use when nobody chose one: the only one that there is."""
    repositories = list(Repository.objects.all()[:2])
    return repositories[0] if len(repositories) == 1 else None


def _remove_marker(repository: Repository) -> None:
    """A folder that is away keeps its marker: no harm, and it says whose it was."""
    try:
        storage(repository).retire()
    except EngineError:
        return


def _real_folder(path: str) -> Path:
    if "\0" in path:
        raise RepositoryRefused("A path cannot contain a null character.")
    if not Path(path).is_absolute():
        raise RepositoryRefused(f"{path!r} is not an absolute path: begin it with /.")
    root = Path(os.path.realpath(path))
    if root == Path(root.anchor):
        raise RepositoryRefused(
            "/ is the whole machine. Choose a folder that holds nothing else, such as /srv/vmrep."
        )
    return root


def _require_apart(root: Path) -> None:
    """Neither in another repository nor around one: each is a folder of its own."""
    for other in Repository.objects.filter(kind=RepositoryKind.DIRECTORY):
        known = Path(os.path.realpath(other.config["path"]))
        if known == root:
            raise RepositoryRefused(f"{root} is the repository {other.name} already.")
        if known in root.parents:
            raise RepositoryRefused(
                f"{root} is inside the repository {other.name} ({known}). Choose a folder outside."
            )
        if root in known.parents:
            raise RepositoryRefused(
                f"{root} has the repository {other.name} ({known}) inside. Choose another folder."
            )


def _require_unused(root: Path) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise RepositoryRefused(f"{root} is a file. Choose a folder.")
    if (root / MARKER).exists():
        raise RepositoryRefused(
            f"{root} carries the marker of a repository that this vmrep does not know; another"
            f" vmrep may be using it. Choose another folder. If nobody uses it, remove {MARKER}"
            " from it yourself, then add it again."
        )
    others = sorted(entry.name for entry in root.iterdir() if entry.name not in _UNIMPORTANT)
    if others:
        raise RepositoryRefused(
            f"{root} is not empty ({others[0]}{' and more' if len(others) > 1 else ''}). A"
            " repository needs a folder of its own: choose an empty one, or a new one in it."
        )


_WORDS = {
    errno.EACCES: "may not be written to by the account that vmrep runs as. Give it the right to,"
    " or choose another folder.",
    errno.EROFS: "is on a file system that is mounted read-only.",
    errno.ENOTDIR: "cannot be: a part of the path is a file, not a folder.",
    errno.ENAMETOOLONG: "is too long a path.",
    errno.ENOSPC: "has no room left.",
    errno.EDQUOT: "has no room left (quota).",
}
_WORDS[errno.EPERM] = _WORDS[errno.EACCES]


def _in_words(root: Path, problem: Exception) -> str:
    cause = problem if isinstance(problem, OSError) else problem.__cause__
    words = _WORDS.get(cause.errno or 0) if isinstance(cause, OSError) else None
    if words is not None:
        return f"{root} {words}"
    if isinstance(problem, RepositoryUnavailable):
        return f"{root} was made a repository by somebody else in the same moment."
    return f"{root} cannot be used: {problem}"
