"""Deletes the replica data of a context and is killed with -9 at a named point of it.

Points: "before commit" (all is written, nothing committed), "after commit" (nobody was told),
"before file" (the clean-up is about to remove the first), "between files" (an image is gone, its
digests are not), "between file and row", "after first image".
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")

import django

django.setup()

from contexts.models import VMContext  # noqa: E402
from replication import messages  # noqa: E402
from replication.engine import directory  # noqa: E402
from replication.models import DiskImage  # noqa: E402
from replication.services import leases, removal  # noqa: E402
from replication.sync import cleanup, removing  # noqa: E402


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

        def unlink_and_die(path: Path) -> None:
            existed = path.exists()
            unlink(path)
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
        raise SystemExit(f"no such point: {point}")


if __name__ == "__main__":
    messages.send = lambda *message: None
    arrange(sys.argv[1])
    context = VMContext.objects.get(pk=sys.argv[2])
    removal.delete_replica_data(
        context, confirm_vm_name=removal.confirmation_text(context), actor="ops"
    )
    cleanup.clean_context(context.pk)
