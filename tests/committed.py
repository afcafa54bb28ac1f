"""Copies of a repository: its files are not those that were committed."""

from __future__ import annotations

from replication.manifests import writing as manifests
from replication.models import DiskImage, ReplicaManifest
from replication.services import commits
from replication.states import ImageState
from replication.storage.targets import target


def accept_all() -> None:
    """They are equal, so they take their place: as after every byte was proven."""
    images = DiskImage.objects.filter(state=ImageState.COMMITTED).select_related("repository")
    for image in images.order_by("pk"):
        facts = target(image.repository).facts(image.locator)
        commits.accept(image.vm_context_id, {image.pk: facts})


def tell_repositories() -> None:
    """The manifests, which are copies too, tell of it."""
    told = ReplicaManifest.objects.values_list("vm_context", "repository")
    for context_id, repository_id in told:
        manifests.write(context_id, repository_id)
