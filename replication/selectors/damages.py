"""What is known to be damaged: whether the next image may build on a chain, and why a VM is
broken."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from contexts.models import VMContext
from replication.models import DiskImage, ImageDamage, RecoveryPoint, RepositorySign
from replication.states import ImageState, RecoveryPointState

KEPT_STATES = (RecoveryPointState.AVAILABLE, RecoveryPointState.EXPIRING)


class Broken(NamedTuple):
    """Why the newest recovery point cannot be used. `is_away`: only because no worker reaches its
    repository, so that it may be whole."""

    why: str
    is_away: bool


def why_broken(context: VMContext) -> Broken | None:
    """Of a VM whose state is broken. Two queries; None if nothing is wrong any more."""
    newest = (
        RecoveryPoint.objects.filter(vm_context=context, state=RecoveryPointState.AVAILABLE)
        .select_related("repository")
        .order_by("-consistent_at", "-id")
        .first()
    )
    if newest is None:
        return None
    if newest.damaged_at is not None:
        return Broken(newest.damage, is_away=False)
    sign = RepositorySign.objects.filter(repository=newest.repository).exclude(problem="").first()
    if sign is None:
        return None
    why = f"No worker reaches the repository {newest.repository.name}. {sign.host}: {sign.problem}"
    return Broken(why, is_away=True)


def damage_of_chain(image: DiskImage) -> str:
    """What is wrong with the image or one below it; empty if nothing is known to be. Two queries
    at most."""
    damages = ImageDamage.objects.filter(image__disk=image.disk_id, cleared_at__isnull=True)
    if not damages.exists():
        return ""
    found = damaged_images(image.vm_context_id).get(image.pk)
    return found.what if found else ""


class _Found(NamedTuple):
    at: datetime
    what: str


def wrong_points(context_id: str) -> dict[int, tuple[datetime | None, str]]:
    """By ID, the points of a context whose `damaged_at` and `damage` are not what follows from the
    damages of the images that they need, with what they should be. Three queries."""
    damaged: dict[int, _Found] = {}
    of_images = damaged_images(context_id)
    images = DiskImage.objects.filter(pk__in=of_images, recovery_point__isnull=False)
    for image, point in images.values_list("pk", "recovery_point"):
        damaged[point] = min(of_images[image], damaged.get(point, of_images[image]))
    points = RecoveryPoint.objects.filter(vm_context=context_id, state__in=KEPT_STATES).filter(
        Q(pk__in=damaged) | Q(damaged_at__isnull=False)
    )
    wrong: dict[int, tuple[datetime | None, str]] = {}
    for point, at, what in points.values_list("pk", "damaged_at", "damage"):
        found = damaged.get(point)
        right = (found.at, found.what) if found else (None, "")
        if (at, what) != right:
            wrong[point] = right
    return wrong


def damaged_images(context_id: str) -> dict[int, _Found]:
    """By ID, the committed images of the context that have a damaged one in their chain, with the
    damage that was found first."""
    open_ones = ImageDamage.objects.filter(image__vm_context=context_id, cleared_at__isnull=True)
    found = {
        image: _Found(at, what)
        for image, at, what in open_ones.order_by("-found_at", "-id").values_list(
            "image_id", "found_at", "what"
        )
    }
    if not found:
        return {}
    committed = DiskImage.objects.filter(vm_context=context_id, state=ImageState.COMMITTED)
    for image, parent in committed.order_by("pk").values_list("pk", "parent_id"):
        below = found.get(parent)  # a parent is older: it comes first
        if below is not None:
            found[image] = min(below, found.get(image, below))
    return found
