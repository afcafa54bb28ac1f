"""What is set for the whole installation."""

from __future__ import annotations

import logging

from django.db.models.functions import Now

from contexts.services import protection
from contexts.services.transactions import one_transaction
from replication.models import Installation
from replication.models.installation import ONLY_ID

log = logging.getLogger(__name__)


@one_transaction
def set_default_target(seconds: int | None, *, actor: str) -> Installation:
    """How old the newest recovery point of a VM without a target of its own may become; None: as
    old as it likes. Raises TargetRefused."""
    protection.require_possible_target(seconds, of="The default")
    installation, _ = Installation.objects.update_or_create(
        pk=ONLY_ID, defaults={"default_rpo_target_seconds": seconds, "updated_at": Now()}
    )
    installation.refresh_from_db()
    log.info("%s set the default RPO target to %s seconds", actor, seconds)
    return installation
