"""What this machine's workers see of the repositories, written down for everybody.

Only a worker that copies knows whether a repository can be used: a web server may not have it
mounted, and two machines may disagree. So the state of a VM is computed from these signs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Sum
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.services.transactions import one_transaction
from contexts.text import storable
from replication.engine.target import Room
from replication.models import DiskImage, Repository, RepositorySign, RepositorySpace
from replication.selectors import space
from replication.services import leases
from replication.states import ImageState
from replication.storage import looks
from replication.storage.looks import StorageState

SPACE_KEPT_FOR = timedelta(days=400)


def look() -> None:
    """Try to write to every repository, and note what came of it and how full it is. Called by a
    worker, again and again; takes as long as the slowest storage, but no longer than
    `looks.ACT_SECONDS` twice."""
    repositories = list(space.with_growth(Repository.objects.all(), database_now()))
    states = looks.try_writing_to_all(repositories)
    _note([_sign(each, state) for each, state in zip(repositories, states, strict=True)])
    _keep_space({it.pk: state.room for it, state in zip(repositories, states, strict=True)})


def _keep_space(rooms: dict[int, Room | None]) -> None:
    """The first look of an hour that reaches a repository is kept; what is too old is forgotten."""
    hour = database_now().replace(minute=0, second=0, microsecond=0)
    known = set(RepositorySpace.objects.filter(hour=hour).values_list("repository", flat=True))
    new = {key: room for key, room in rooms.items() if room is not None and key not in known}
    if not new:
        return
    images = DiskImage.objects.filter(repository__in=new, state=ImageState.COMMITTED)
    sums = images.order_by().values("repository").annotate(sum=Sum("allocated_bytes"))
    stored = dict(sums.values_list("repository", "sum"))
    RepositorySpace.objects.bulk_create(
        (
            RepositorySpace(
                repository_id=key,
                hour=hour,
                free_bytes=room.free_bytes,
                total_bytes=room.total_bytes,
                stored_bytes=stored.get(key) or 0,
            )
            for key, room in new.items()
        ),
        ignore_conflicts=True,  # another machine's worker looked at the same moment
    )
    RepositorySpace.objects.filter(hour__lt=hour - SPACE_KEPT_FOR).delete()


def _sign(repository: Repository, state: StorageState) -> RepositorySign:
    sign = RepositorySign(
        repository_id=repository.pk,
        host=leases.this_host(),
        looked_at=Now(),
        reached_at=None if state.problem else Now(),
        problem=storable(state.problem),
    )
    if state.room is not None:
        sign.free_bytes, sign.total_bytes = state.room.free_bytes, state.room.total_bytes
        sign.full_in_seconds = space.full_in_seconds(repository, state.room, database_now())
    return sign


@one_transaction
def _note(signs: Sequence[RepositorySign]) -> None:
    """A repository that was removed meanwhile is left out. What one is not reached says nothing of
    its room, so the last known stays."""
    wanted = [sign.repository_id for sign in signs]
    there = set(Repository.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    signs = [sign for sign in signs if sign.repository_id in there]
    for is_reached in (False, True):
        RepositorySign.objects.bulk_create(
            (sign for sign in signs if (not sign.problem) is is_reached),
            update_conflicts=True,
            unique_fields=["repository", "host"],
            update_fields=["looked_at", "problem", *(_OF_REACHED if is_reached else ())],
        )


_OF_REACHED = ("reached_at", "free_bytes", "total_bytes", "full_in_seconds")
