"""Checks of the manifests in repositories: what a repository says of itself is what it was told
last, and it was told of all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.db.models import Exists, OuterRef

from replication.engine.errors import EngineError, RepositoryUnavailable
from replication.engine.manifest import digest_of
from replication.engine.target import Target
from replication.integrity.files import BATCH, LOOK_SECONDS, storages
from replication.integrity.findings import Code, Finding, Scope, SecondLook, check, in_batches
from replication.manifests import installation
from replication.manifests.writing import is_out_of_date
from replication.models import RecoveryPoint, ReplicaManifest, Repository
from replication.states import RecoveryPointState, Severity
from replication.storage import looks
from replication.storage.errands import DoesNotAnswer
from replication.storage.looks import ACT_SECONDS
from replication.storage.targets import visit

_WRITTEN_AGAIN = "--repair has a worker write it again."
MANIFEST_WRONG = Code(
    "manifest_wrong",
    "If the database were lost now, this VM could not be restored from the repository alone. "
    f"{_WRITTEN_AGAIN} Find out who changes files there.",
    repairable=True,
)
MANIFEST_NOT_EXPECTED = Code(
    "manifest_not_expected",
    "The VM has recovery points in a repository that was never to be told of them. "
    f"{_WRITTEN_AGAIN}",
    repairable=True,
)
DATABASE_OLDER = Code(
    "database_older",
    "The database was restored from a backup, or a copy of it is in use elsewhere: recovery points "
    "were made or removed that it does not know of. Stop the workers, and the other vmrep if there "
    "is one, and run `manage.py restore_repository`, which lets it "
    "know. Until then vmrep neither replicates this VM nor removes anything of it.",
    Severity.ERROR,
)

REPOSITORY_TAKEN = Code(
    "repository_taken",
    "Another installation of vmrep uses the repository, and this one leaves it alone. If it is to "
    "be this one's, stop the other one, then run `manage.py restore_repository` with --take-over. "
    "If not, move this one's VMs to another repository.",
    Severity.ERROR,
)


def _write_again(finding: Finding) -> str:
    """Under the lock of the VM's row; the tick finds it due."""
    points = RecoveryPoint.objects.filter(
        vm_context=finding.context_id, state=RecoveryPointState.AVAILABLE
    )
    for repository in points.order_by().values_list("repository", flat=True).distinct():
        ReplicaManifest.objects.update_or_create(
            repository_id=repository,
            vm_context_id=finding.context_id,
            defaults={"digest": "", "seen_at": None, "next_attempt_at": None},
        )
    return "A worker writes the manifest again."


@check(MANIFEST_WRONG, DATABASE_OLDER, second_look=SecondLook.AGAIN, mend=_write_again)
def manifests(scope: Scope) -> Iterator[Finding]:
    """Each manifest that was written is there, whole, and the one that was written last. What is
    still to be written is not judged."""
    for repository, storage in storages():
        written = ReplicaManifest.objects.filter(repository=repository).select_related("vm_context")
        for batch in in_batches(scope.within(written), BATCH):
            scope.on_progress()
            if scope.deep:
                yield from (_finding(repository, *it) for it in _out_of_date(scope, batch))
            try:
                found = visit(
                    repository,
                    "integrity",
                    partial(_look_at_all, storage, batch),
                    seconds=LOOK_SECONDS,
                    on_wait=scope.on_progress,
                )
            except DoesNotAnswer as problem:
                scope.given_up[repository.pk] = str(problem)
                break
            except RepositoryUnavailable:
                break
            if looks.look(repository, seconds=ACT_SECONDS).problem:
                break  # unmounted meanwhile
            yield from (_finding(repository, *it) for it in found)


def _out_of_date(
    scope: Scope, rows: list[ReplicaManifest]
) -> Iterator[tuple[ReplicaManifest, Code, str]]:
    """Those that somebody changed the VM's rows past, so that nobody knows it is to be written."""
    for row in rows:
        scope.on_progress()
        if digest := is_out_of_date(row):
            yield row, MANIFEST_WRONG, f"the VM's rows have {digest}, the manifest {row.digest}."


def _look_at_all(
    storage: Target, rows: list[ReplicaManifest]
) -> list[tuple[ReplicaManifest, Code, str]]:
    """In a thread of its own: the rows have all that it needs from the database."""
    found = []
    for row in rows:
        head = storage.manifest_head(row.vm_context_id)
        version = head.version
        if version > row.version:
            what = f"the repository has manifest {version}, the database knows {row.version}."
            found.append((row, DATABASE_OLDER, what))
        elif not row.is_of_this_database(head.digest):
            what = f"manifest {version} was written from another database."
            found.append((row, DATABASE_OLDER, what))
        elif row.written_version == row.version and (why := _wrong(storage, row, version)):
            found.append((row, MANIFEST_WRONG, why))
    return found


def _wrong(storage: Target, row: ReplicaManifest, version: int) -> str:
    if not row.digest:
        return ""
    if version != row.written_version:
        return f"manifest {row.written_version} was written, manifest {version or 'none'} is there."
    try:
        manifest = storage.read_manifest(row.vm_context_id)
    except RepositoryUnavailable:
        raise
    except EngineError as problem:
        return str(problem)
    if manifest is None or manifest.vm is None or digest_of(manifest.vm) != row.digest:
        return f"manifest {version} does not say what was written."
    return ""


def _finding(repository: Repository, row: ReplicaManifest, code: Code, why: str) -> Finding:
    return code.finding(
        f"Repository {repository.name}: {why}",
        key=row.pk,
        context_id=row.vm_context_id,
        vm_name=row.vm_context.vm_name,
    )


@check(REPOSITORY_TAKEN)
def repositories_taken(scope: Scope) -> Iterator[Finding]:
    """Each repository is this installation's."""
    for repository, storage in storages():
        try:
            found = visit(repository, "integrity", storage.tenant, seconds=LOOK_SECONDS)
            installation.require_own(found, repository)
        except (RepositoryUnavailable, DoesNotAnswer):
            continue  # `repository_unavailable` says so
        except EngineError as problem:  # also where the file does not say whose it is
            yield REPOSITORY_TAKEN.finding(str(problem), key=repository.pk)


@check(MANIFEST_NOT_EXPECTED, mend=_write_again)
def manifests_expected(scope: Scope) -> Iterator[Finding]:
    """Whoever has a recovery point in a repository has a row that lets it be told."""
    rows = ReplicaManifest.objects.filter(
        repository=OuterRef("repository"), vm_context=OuterRef("vm_context")
    )
    points = scope.within(RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE))
    lacking = points.filter(~Exists(rows), repository__removed_at__isnull=True)
    found = lacking.order_by("vm_context", "repository").values_list(
        "vm_context", "vm_context__vm_name", "repository__name"
    )
    for context_id, vm_name, repository in found.distinct():
        yield MANIFEST_NOT_EXPECTED.finding(
            f"Nobody tells repository {repository} of its recovery points.",
            key=f"{context_id} {repository}",
            context_id=context_id,
            vm_name=vm_name,
        )
