"""Taking VMs under management with what is wanted for them from then on."""

from __future__ import annotations

from collections.abc import Iterable

from contexts.errors import TargetRefused
from contexts.models import DiscoveredVM
from contexts.services import management
from contexts.services.transactions import one_transaction
from replication.models import Repository
from replication.policies.checking import is_possible
from replication.policies.services import set_own_targets
from replication.policies.settle import settle


@one_transaction
def take(
    vms: Iterable[DiscoveredVM],
    *,
    repository: Repository | None,
    actor: str,
    target_seconds: int | None = None,
) -> management.Taken:
    """As `management.take_and_report`, which says what is refused. `target_seconds` becomes the own
    target of those that were not managed; without it they have what the policies say, and own
    values that they had before. Without a repository they get that of the nearest policy that
    names one. Raises TargetRefused."""
    if target_seconds is not None and not is_possible(target_seconds):
        raise TargetRefused(
            f"{target_seconds} seconds is not a valid RPO target. Choose a target between a minute"
            " and a year, or none."
        )
    taken = management.take_and_report(vms, repository=repository, actor=actor)
    if target_seconds is not None:
        set_own_targets(taken.new_ids, target_seconds, actor=actor)
    settle(taken.new_ids, actor=actor)
    for context in taken.contexts:
        context.refresh_from_db(fields=["rpo_target_seconds", "repository_id"])
    return taken
