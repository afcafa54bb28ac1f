"""`manage.py rotate_secrets`: encrypts every stored secret with the newest key, and seals the
newest event of each VM with it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from contexts import event_chains, sealed_rows, trail
from contexts.text import printable


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret (passwords of vCenters, settings of channels) with the newest "
        "key, the first of VMREP_FIELD_KEYS or of the data folder's field_keys. Afterwards the "
        "older keys are not needed. Exit code 1: some secrets cannot be read."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        rotated, problems = sealed_rows.rotate()
        event_chains.seal_anew()
        _tell(rotated, len(problems))
        self.stdout.write(f"Encrypted with the newest key: {rotated}.")
        for problem in problems:
            self.stderr.write(printable(problem))
        if problems:
            raise CommandError(
                f"{len(problems)} could not be read and stayed as they are. Keep the older keys"
                " until that is settled."
            )


def _tell(rotated: int, left: int) -> None:
    """Also when there was nothing to encrypt: the newest key seals this event, and so vouches for
    what the older ones sealed."""
    outcome = trail.Outcome.FAILED if left else trail.Outcome.DONE
    about = trail.subject(trail.Kind.INSTALLATION, "", "vmrep")
    with transaction.atomic(), trail.gathered():
        trail.tell(
            trail.Verb.ROTATE, about, new={"secrets": rotated, "left": left}, outcome=outcome
        )
