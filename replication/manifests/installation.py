"""Which installation this is, and whether a repository is its own."""

from __future__ import annotations

import socket
from uuid import UUID, uuid4

from contexts.clock import database_now
from replication.engine.errors import RepositoryTaken
from replication.engine.tenant import Tenant
from replication.models import Installation, Repository
from replication.models.installation import ONLY_ID
from replication.storage.targets import target


def own_uuid() -> str:
    """This installation's; made when it is first asked for, and in backups of the database."""
    rows = Installation.objects.filter(pk=ONLY_ID)
    found: UUID | None = rows.values_list("uuid", flat=True).first()
    if found is None:
        Installation.objects.get_or_create(pk=ONLY_ID)
        rows.filter(uuid=None).update(uuid=uuid4())  # of two processes, the first one's counts
        found = rows.values_list("uuid", flat=True).get()
    return str(found)


def tenant() -> Tenant:
    """What a repository is told when this installation takes it."""
    now = database_now().isoformat(timespec="seconds")
    return Tenant(own_uuid(), socket.gethostname(), now)


def require_own(found: Tenant | None, repository: Repository, own: str = "") -> None:
    """Raises RepositoryTaken if a repository is another installation's. `own`: this one's UUID,
    for a caller that may not ask the database."""
    if found is None or found.installation == (own or own_uuid()):
        return
    raise RepositoryTaken(
        f"{repository.name} was taken over by another installation of vmrep: {found.words}. Two"
        " cannot use one repository, so this one leaves it alone. If the other one is to have it,"
        " move this one's VMs to another repository. If it is not: stop the other one, then run"
        f" manage.py restore_repository {target(repository).place} --take-over"
    )
