"""Deletes the replica data of a context and is killed with -9 at a named point of it.

Points: "before commit" (all is written, nothing committed), "after commit" (nobody was told),
"before file" (the clean-up is about to remove the first), "between files" (an image is gone, its
digests are not), "between file and row", "after first image".
"""

import os
import signal
from pathlib import Path

from contexts.models import VMContext
from replication import messages
from replication.engine import directory
from replication.models import DiskImage
from replication.services import leases, removal
from replication.sync import cleanup, removing


def die(*args: object, **kwargs: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arrange(point: str) -> None:
    if point == "before commit":
        leases.release = die  # the last statement of the transaction
    elif point == "after commit":
        messages.send = die
    elif point == "before file":
        directory.unlink_durably = die
    elif point == "between files":
        unlink = directory.unlink_durably

        def unlink_and_die(*paths: Path) -> None:
            existed = any(path.exists() for path in paths)
            unlink(*paths)
            if existed:
                die()

        directory.unlink_durably = unlink_and_die
    elif point == "between file and row":
        discard = directory.DirectoryRepository.discard

        def discard_and_die(self: directory.DirectoryRepository, locator: str) -> None:
            existed = self.exists(locator)
            discard(self, locator)
            if existed:
                die()

        directory.DirectoryRepository.discard = discard_and_die
    elif point == "after first image":
        discard_image = removing.discard_image

        def discard_image_and_die(image: DiskImage, writer: removing.Writer) -> None:
            discard_image(image, writer)
            die()

        removing.discard_image = discard_image_and_die
    else:
        raise ValueError(f"no such point: {point}")


def main(point: str, context_id: str) -> None:
    """In a process of its own (`nursery`): nothing of what is arranged is taken back."""
    messages.send = lambda *message: None
    arrange(point)
    context = VMContext.objects.get(pk=context_id)
    removal.delete_replica_data(
        context, confirm_vm_name=removal.confirmation_text(context), actor="ops"
    )
    cleanup.clean_context(context.pk)
