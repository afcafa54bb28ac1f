"""What a VM's recovery points are needed for: which of them may go now, and why not the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.db.models import Q
from django.db.models.functions import Now

from replication.models import DiskImage, RecoveryPoint, RecoveryPointHold
from replication.retention.choose import PointFacts
from replication.retention.order import Chains, Image
from replication.selectors.damages import KEPT_STATES, damaged_images
from replication.states import HoldKind, ImageState, RecoveryPointState

MOST_IMAGES = 32
"""How long a chain may become: each image is a file that is open while the newest is read."""


class Standing:
    """Of one VM, as its rows are now. Takes a constant number of queries."""

    def __init__(self, context_id: str) -> None:
        points = RecoveryPoint.objects.filter(vm_context=context_id, state__in=KEPT_STATES)
        ordered = list(points.order_by("-consistent_at", "-id"))
        self._points = [it for it in ordered if it.state == RecoveryPointState.AVAILABLE]
        self._expiring = {it.pk for it in ordered if it.state == RecoveryPointState.EXPIRING}
        images = DiskImage.objects.filter(vm_context=context_id)
        committed = images.filter(state=ImageState.COMMITTED)
        self.chains = Chains(
            Image(*row) for row in committed.values_list("pk", "recovery_point", "parent")
        )
        unfinished = images.exclude(state=ImageState.COMMITTED).exclude(parent=None)
        self._unfinished = set(unfinished.values_list("parent", flat=True))
        self._damaged = set(damaged_images(context_id))
        self._holds = list(
            RecoveryPointHold.objects.filter(recovery_point__vm_context=context_id)
            .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
            .order_by("id")
        )

    def facts(self) -> list[PointFacts]:
        """Of the available points: what the choice depends on."""
        pinned = {hold.recovery_point_id for hold in self._holds if hold.kind == HoldKind.PIN}
        return [
            PointFacts(
                point.pk,
                point.consistent_at,
                is_damaged=point.damaged_at is not None,
                is_pinned=point.pk in pinned,
                is_held=self._reader(point.pk) is not None,
            )
            for point in self._points
        ]

    def why_it_stays(self, point_id: int) -> str:
        """Why the point may not go as long as that is so, and somebody's word does not change it;
        empty if it may."""
        usable = [point for point in self._points if point.damaged_at is None]
        if self._points and point_id in (self._points[0].pk, self._last):
            return "It is the newest recovery point of its VM. Replicate the VM first."
        if usable and point_id == usable[0].pk:
            return (
                "It is the newest recovery point of its VM that can be used. Replicate the VM"
                " first."
            )
        for hold in self._holds:
            if hold.recovery_point_id == point_id and hold.kind == HoldKind.PIN:
                return f"{hold.owner} has pinned it. Unpin it first."
        if reader := self._reader(point_id):
            kind = reader.get_kind_display().lower()
            return f"{reader.owner} reads it, or one that is based on it ({kind})."
        return ""

    def why_it_waits(self, point_id: int) -> str:
        """Why the point cannot go now; empty if it can."""
        if why := self.why_it_stays(point_id):
            return why
        images = self.chains.images(point_id)
        if any(image.key in self._unfinished for image in images):
            return "A replication that has not ended, or what one left, is based on it."
        children = [self.chains.children(image.key) for image in images]
        if any(len(of_image) > 1 for of_image in children):
            return "Several images are based on one of its images. Run the integrity check."
        based = [child for of_image in children for child in of_image]
        if any(child.point in self._expiring for child in based):
            return self.one_above_words
        if any(child.key in self._damaged for child in based):
            return self.damaged_words
        return ""

    one_above_words = "The recovery point that is based on it is being removed first."
    damaged_words = (
        "An image of its chain is damaged, so nothing is merged there. It goes when all recovery"
        " points that are based on it have gone."
    )

    def is_stuck(self, point_id: int) -> bool:
        """Whether nothing of what is based on the point can be merged into it."""
        return any(child.key in self._damaged for child in self._based_on(point_id))

    def is_damaged(self, image_id: int) -> bool:
        """Whether the committed image, or one below it, is."""
        return image_id in self._damaged

    def is_below_one_that_goes(self, point_id: int) -> bool:
        """Whether a point that needs this one is being removed: its files are not all its own yet,
        so its removal ends first."""
        return bool(self._expiring & self.chains.above(point_id))

    def _based_on(self, point_id: int) -> Iterator[Image]:
        for image in self.chains.images(point_id):
            yield from self.chains.children(image.key)

    def _reader(self, point_id: int) -> RecoveryPointHold | None:
        """Who reads the point or one above it, whose files its removal would change."""
        needed = {point_id, *self.chains.above(point_id)}
        for hold in self._holds:
            if hold.kind != HoldKind.PIN and hold.recovery_point_id in needed:
                return hold
        return None

    def longest_chain(self, repository_id: int | None, without: Collection[int] = ()) -> int:
        """The length of the longest chain that the next replication into that repository would be
        based on; `without` the points that go."""
        return self.chains.longest(self._last_in(repository_id), without)

    def is_below_the_newest(self, point_id: int, repository_id: int) -> bool:
        """Whether the next replication into that repository would be based on an image of the
        point."""
        return self._last_in(repository_id) in self.chains.above(point_id)

    @property
    def _last(self) -> int:
        """The point that was made last, whatever clocks said; 0 if there is none."""
        return max((point.pk for point in self._points), default=0)

    def _last_in(self, repository_id: int | None) -> int:
        kept = (point.pk for point in self._points if point.repository_id == repository_id)
        return max(kept, default=0)
