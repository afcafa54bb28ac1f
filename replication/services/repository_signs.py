"""What this machine's workers see of the repositories, written down for everybody.

Only a worker that copies knows whether a repository can be used: a web server may not have it
mounted, and two machines may disagree. So the state of a VM is computed from these signs alone.
"""

from __future__ import annotations

from django.db.models import F
from django.db.models.functions import Now

from contexts.services.transactions import one_transaction
from contexts.text import storable
from replication.models import Repository, RepositorySign
from replication.services import leases
from replication.storage import looks


def look() -> None:
    """Try to write to every repository, and note what came of it. Called by a worker, again and
    again; takes as long as the slowest storage, but no longer than `looks.ACT_SECONDS` twice."""
    repositories = list(Repository.objects.order_by("pk"))
    states = looks.try_writing_to_all(repositories)
    _note({each.pk: it.problem for each, it in zip(repositories, states, strict=True)})


@one_transaction
def _note(problems: dict[int, str]) -> None:
    """By repository, why it cannot be written to; empty if it can. A repository that was removed
    meanwhile is left out."""
    host = leases.this_host()
    there = set(Repository.objects.filter(pk__in=problems).values_list("pk", flat=True))
    RepositorySign.objects.bulk_create(
        (
            RepositorySign(
                repository_id=pk,
                host=host,
                looked_at=Now(),
                reached_at=None if problem else Now(),
                problem=storable(problem),
            )
            for pk, problem in problems.items()
            if pk in there
        ),
        update_conflicts=True,
        unique_fields=["repository", "host"],
        update_fields=["looked_at", "problem"],
    )
    reached = [pk for pk, problem in problems.items() if not problem]
    RepositorySign.objects.filter(repository__in=reached, host=host).update(
        reached_at=F("looked_at")
    )
