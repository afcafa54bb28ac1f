"""Moving a VM to another repository: its next replication copies the disks in full there."""

from __future__ import annotations

from django.db.models.functions import Now

from contexts import trail
from contexts.errors import NotManaged
from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.trail import Verb
from replication.errors import RepositoryGone
from replication.models import Repository


@one_transaction
def move(context: VMContext, repository: Repository, *, actor: str) -> bool:
    """Let the VM's next replication go into that repository, and all after it. Returns whether that
    is new.

    It begins a new chain there, or compares the disks with the one that the VM left there earlier
    and goes on with it. No file is moved: the recovery points stay where they are, and go by the
    VM's retention as before. A replication that is under way, and its further attempts, still go
    into the former repository. Raises NotManaged, RepositoryGone.
    """
    context = statuses.lock(context.pk)
    if not context.is_managed:
        raise NotManaged(f"{context} is not under management. Take it under management first.")
    if context.repository_id == repository.pk:
        return False
    there = Repository.objects.filter(pk=repository.pk).first()
    if there is None:
        raise RepositoryGone(f"{repository.name} has been removed. Choose another repository.")
    former = context.repository
    VMContext.objects.filter(pk=context.pk).update(repository=there, updated_at=Now())
    whence = f" from {former.name}" if former else ""
    statuses.record_event(
        context.pk,
        old=context.current_status,
        new=context.current_status,
        why=f"moves{whence} to repository {there.name}: the next replication begins there",
        actor=actor,
        job_id=None,
    )
    old, new = {"repository": former}, {"repository": there}
    trail.tell(Verb.MOVE, trail.vm(context), actor=actor, old=old, new=new)
    return True
