"""Keeping the manifests of a repository current.

Under the lock of the context's row the content is put together and given the next version; only
then is its file written, and that noted. So versions are in the order of the contents, whoever
writes them, and a crash at any point leaves a row that says what is still to be written. What
others do with the VM meanwhile is noticed by its row's `updated_at`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.text import printable, storable
from replication.engine.errors import EngineError, RepositoryIsNewer
from replication.engine.manifest import (
    Content,
    Head,
    Manifest,
    RepositoryPart,
    VmPart,
    digest_of,
    encode,
    file_digest,
)
from replication.engine.target import Target
from replication.manifests import content, installation
from replication.models import ReplicaManifest, Repository
from replication.storage import looks
from replication.storage.targets import target, visit
from vmrep import __version__

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_AT_ONCE = 200
MOST_REMEMBERED = 6
"""How many files' digests are remembered besides those that matter most."""
RUN_SECONDS = 20.0
"""How long one run goes on with what is due; the next one continues."""
WRITE_SECONDS = 30.0
AGAIN_AFTER = timedelta(minutes=5)
"""What could not be written is tried again then, or with the VM's next replication."""


@dataclass(frozen=True)
class _Given:
    """A version of a VM's manifest. `manifest`: what to write; None: that it is current, or that
    nothing of the VM is in the repository, and its manifests go."""

    row: int
    version: int
    manifest: Manifest | None
    goes: bool


def expect(context_id: str, repository_id: int) -> None:
    """Part of the transaction that gives a VM a recovery point there: it is to have a manifest."""
    if ReplicaManifest.objects.filter(vm_context=context_id, repository=repository_id).exists():
        return  # as nearly always: nothing is written, and no number is used up
    ReplicaManifest.objects.bulk_create(
        [ReplicaManifest(repository_id=repository_id, vm_context_id=context_id)],
        ignore_conflicts=True,
    )


def due() -> QuerySet[ReplicaManifest]:
    """Those that may not be current, and whose time has come."""
    is_current = Q(
        written_version=F("version"),
        seen_at=F("vm_context__updated_at"),
        vcenter_seen_at=F("vm_context__vcenter__updated_at"),
        seen_at__isnull=False,
    )
    return (
        ReplicaManifest.objects.exclude(is_current)
        .filter(Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now()))
        .filter(repository__removed_at__isnull=True)
    )


def write_due() -> None:
    """Write those that are due, of the repositories that can be used now: a bounded number, oldest
    first. What goes wrong with one is noted, and keeps no other."""
    until = time.monotonic() + RUN_SECONDS
    usable = _usable(Repository.objects.order_by("pk"))
    for repository in usable:
        _of_repository(repository)
    rows = due().filter(repository__in=usable).order_by(F("written_at").asc(nulls_first=True))
    for context_id, repository_id in list(
        rows.values_list("vm_context", "repository")[:MOST_AT_ONCE]
    ):
        if time.monotonic() > until:
            break
        try_to_write(context_id, repository_id)


def is_out_of_date(row: ReplicaManifest) -> str:
    """The digest of what the rows say, if that is something else although the manifest counts as
    current; else empty."""
    with transaction.atomic():
        statuses.hold(row.vm_context_id)
        if due().filter(pk=row.pk).exists():
            return ""
        context = VMContext.objects.select_related("vcenter").get(pk=row.vm_context_id)
        vm = content.of_vm(context, row.repository_id)
        known = ReplicaManifest.objects.values_list("digest", flat=True).get(pk=row.pk)
    digest = digest_of(vm) if vm.points else ""
    return "" if digest == known else digest or "no recovery points"


def try_to_write(context_id: str, repository_id: int) -> str:
    """As `write`; returns why it could not, which is noted for the next attempt."""
    try:
        write(context_id, repository_id)
    except EngineError as problem:
        why = storable(str(problem))
        log.warning("the manifest of %s: %s", context_id, printable(why))
        ReplicaManifest.objects.filter(vm_context=context_id, repository=repository_id).update(
            problem=why, next_attempt_at=Now() + AGAIN_AFTER
        )
        return why
    return ""


def write(context_id: str, repository_id: int) -> None:
    """Let the manifest say what the rows say now. Nothing is written if it does already.

    Raises RepositoryIsNewer where the repository has a later one than this database gave, and what
    the storage raises.
    """
    if not ReplicaManifest.objects.filter(vm_context=context_id, repository=repository_id).exists():
        return
    repository = Repository.objects.get(pk=repository_id)
    there = require_known(context_id, repository)
    given = _give(context_id, repository, there)
    if (manifest := given.manifest) is not None:
        _visit(repository, lambda it: it.write_manifest(context_id, manifest))
    elif given.goes:
        _visit(repository, lambda it: it.remove_manifests(context_id, given.version))
    ReplicaManifest.objects.filter(pk=given.row, written_version__lt=given.version).update(
        written_version=given.version, written_at=Now()
    )
    ReplicaManifest.objects.filter(pk=given.row).update(problem="", next_attempt_at=None)


def require_known(context_id: str, repository: Repository) -> Head:
    """The newest manifest there.

    Raises RepositoryIsNewer where the repository has one that this database does not know of: the
    database is an older copy of itself, or another one began as a copy of it. Its rows may name
    files that have changed since, and what it would remove may be needed. Raises RepositoryTaken
    where another installation uses the repository.
    """
    tenant, found = _visit(repository, lambda it: (it.tenant(), it.manifest_head(context_id)))
    installation.require_own(tenant, repository)
    known = ReplicaManifest.objects.filter(vm_context=context_id, repository=repository).first()
    version = known.version if known else 0
    if found.version > version:
        how = f"manifest {found.version}, the database knows {version}"
    elif known is None or known.is_of_this_database(found.digest):
        return found
    else:
        how = f"manifest {found.version} was written from another database"
    raise RepositoryIsNewer(
        f"{repository.name} knows of changes to {context_id} that the database does not ({how}):"
        " the database was restored from a backup, or a copy of it is in use elsewhere. Nothing was"
        " changed. Stop the other one, if there is one, then let the database know what is there:"
        f" manage.py restore_repository {target(repository).place}"
    )


def _visit(repository: Repository, work: Callable[[Target], T]) -> T:
    storage = target(repository)
    return visit(repository, "manifest", lambda: work(storage), seconds=WRITE_SECONDS)


@one_transaction
def _give(context_id: str, repository: Repository, there: Head) -> _Given:
    """The next version, if the content is not the one that was given the last. `there`: what is
    known to be in the repository."""
    statuses.hold(context_id)
    mine = ReplicaManifest.objects.filter(vm_context=context_id, repository=repository)
    # What is seen is noted before it is read: what changes in between is read again later. (Within
    # the database: SQLite compares times as texts, of which there are several forms.)
    at = VMContext.objects.filter(pk=OuterRef("vm_context"))
    mine.update(
        seen_at=Subquery(at.values("updated_at")),
        vcenter_seen_at=Subquery(at.values("vcenter__updated_at")),
    )
    context = VMContext.objects.select_related("vcenter").get(pk=context_id)
    row = mine.get()
    vm = content.of_vm(context, repository.pk)
    digest = digest_of(vm) if vm.points else ""
    has_work = digest != row.digest or row.version == 0 or row.written_version != row.version
    if not has_work:
        return _Given(row.pk, row.version, None, goes=False)
    row.version += 1
    manifest, given = None, row.given_digests
    if vm.points:
        manifest = _manifest(repository, row.version, vm, database_now())
        given = _remembered(row, there, file_digest(encode(manifest)))
    mine.update(version=row.version, digest=digest, given_digests=given)
    return _Given(row.pk, row.version, manifest, goes=True)


def _remembered(row: ReplicaManifest, there: Head, new: str) -> str:
    """With what is there, and may stay there if this one cannot be written; and with the few before
    it, whose writers may only have been paused."""
    before = [it for it in row.given_digests.split()[-MOST_REMEMBERED:] if it != there.digest]
    return "\n".join([*before, *([there.digest] if there.digest else []), new])


def _usable(repositories: Iterable[Repository]) -> list[Repository]:
    all_of_them = list(repositories)
    states = looks.try_writing_to_all(all_of_them)
    return [it for it, state in zip(all_of_them, states, strict=True) if not state.problem]


def _of_repository(repository: Repository) -> None:
    """The repository's own: read each time, as it is small. No row tells of it."""
    part = RepositoryPart(repository.name, repository.reserve_bytes)
    now = database_now()
    own = installation.tenant()

    def renew(storage: Target) -> None:
        installation.require_own(storage.take(own), repository, own.installation)
        known = None
        version = storage.manifest_version("")
        try:
            known = storage.read_manifest("")
        except EngineError as problem:
            log.warning("the manifest of the repository %s: %s", repository.name, problem)
        if known is None or known.of_repository != part:
            storage.write_manifest("", _manifest(repository, version + 1, part, now))

    try:
        _visit(repository, renew)
    except EngineError as problem:
        log.warning("the manifest of the repository %s: %s", repository.name, problem)


def _manifest(repository: Repository, version: int, said: Content, now: datetime) -> Manifest:
    return Manifest(
        version=version,
        repository=str(repository.uuid),
        written_by=f"vmrep {__version__}",
        written_at=now,
        vm=said if isinstance(said, VmPart) else None,
        of_repository=said if isinstance(said, RepositoryPart) else None,
    )
