"""What is wrong with images, and with the recovery points that need them.

A point is damaged while any image of its chains is. Triggers carry that on to its VM.
"""

from __future__ import annotations

from django.db.models.functions import Now

from contexts.models import VMContext
from contexts.services import statuses
from contexts.services.transactions import one_transaction
from contexts.text import storable
from replication.engine.errors import ContentDamaged, ImageAltered, ImageDamaged, ImageMissing
from replication.engine.target import CHANGED, DOUBTED, FORM, OPENED, PARENT, SIZE
from replication.models import DiskImage, ImageDamage, RecoveryPoint
from replication.selectors.damages import wrong_points
from replication.states import DamageFinder, ImageState

SEEN_IN_HEADERS = frozenset(
    {"image_file_missing", "image_file_damaged", "image_size_differs", "backing_file_differs"}
)
"""Of the integrity check's codes: what a look at a file's header finds, and finds gone, unless the
damage needs a deep look."""
FILE_CHANGED, OPENED_ELSEWHERE = "image_file_changed", "image_opened_elsewhere"
WATCHED = frozenset({FILE_CHANGED, OPENED_ELSEWHERE})
"""What is found by comparing files with what they were when they were committed. That is gone when
the files are as then, or when every byte was proven (`commits.accept`)."""
IN_DOUBT = "image_in_doubt"
"""No damage: nothing says that the content is another one. Yet nothing is based on the image."""
CODES = {
    SIZE: "image_size_differs",
    PARENT: "backing_file_differs",
    FORM: "image_file_damaged",
    CHANGED: FILE_CHANGED,
    OPENED: OPENED_ELSEWHERE,
    DOUBTED: IN_DOUBT,
}
"""Of what `Target.differences` finds."""

CONTENT_DIFFERS, MAP_DIFFERS = "content_differs", "map_differs"
FOUND_BY_READING = frozenset({CONTENT_DIFFERS, MAP_DIFFERS})
"""Codes of what was read: a look at the files finds none of it, and finds none of it gone."""


@one_transaction
def mark(
    image_id: int, code: str, what: str, found_by: DamageFinder, *, needs_deep_look: bool = False
) -> None:
    """Note a fault of a committed image. An image that is gone, or is going, has none.

    `needs_deep_look`: a look that does not go through tables and digests cannot find it gone.
    """
    context_id = _hold_context(image_id)
    images = DiskImage.objects.filter(pk=image_id, state=ImageState.COMMITTED)
    if context_id is None or not images.exists():
        return
    ImageDamage.objects.get_or_create(
        image_id=image_id,
        code=code,
        cleared_at=None,
        defaults={
            "what": storable(what),
            "found_by": found_by,
            "needs_deep_look": needs_deep_look,
        },
    )
    settle(context_id)


def mark_file(
    context_id: str,
    repository_id: int,
    problem: ImageMissing | ImageDamaged,
    found_by: DamageFinder,
) -> None:
    """If it is about an image of a recovery point: then the point is damaged, and no later image
    is based on it."""
    images = DiskImage.objects.filter(repository=repository_id, vm_context=context_id)
    for image in images.filter(locator=problem.locator, state=ImageState.COMMITTED):
        code = _code_of(problem)
        deep = not isinstance(problem, ImageMissing | ImageAltered)
        what = f"{image.locator}: {problem}"
        mark(image.pk, code, what, found_by, needs_deep_look=deep)


def _code_of(problem: ImageMissing | ImageDamaged) -> str:
    if isinstance(problem, ImageMissing):
        return "image_file_missing"
    if isinstance(problem, ContentDamaged):
        return CONTENT_DIFFERS
    if isinstance(problem, ImageAltered) and problem.aspect:
        return CODES[problem.aspect]
    return "image_file_damaged"


@one_transaction
def clear(damage_id: int) -> None:
    """A whole look has found the image as it must be."""
    damages = ImageDamage.objects.filter(pk=damage_id, cleared_at__isnull=True)
    image_id = damages.values_list("image_id", flat=True).first()
    context_id = None if image_id is None else _hold_context(image_id)
    if context_id is not None and damages.update(cleared_at=Now()):
        settle(context_id)


def file_taken_over(image_id: int, child_id: int) -> None:
    """The child has the file of the image below now, in which both were merged (the context is
    locked). Its header was looked at; what only a deep look finds gone is in that file still."""
    unresolved = ImageDamage.objects.filter(cleared_at__isnull=True)
    seen = SEEN_IN_HEADERS | WATCHED
    unresolved.filter(image=child_id, code__in=seen, needs_deep_look=False).update(cleared_at=Now())
    for damage in unresolved.filter(image=image_id, needs_deep_look=True):
        mark(
            child_id, damage.code, damage.what, DamageFinder(damage.found_by), needs_deep_look=True
        )
    image = DiskImage.objects.get(pk=image_id)
    settle(image.vm_context_id)


def settle(context_id: str) -> int:
    """Make the points of the (locked) context say what its images' damages mean for them. Returns
    how many did not."""
    wrong = wrong_points(context_id)
    for point, (since, what) in wrong.items():
        RecoveryPoint.objects.filter(pk=point).update(damaged_at=since, damage=what)
    if wrong:  # pages watch it
        VMContext.objects.filter(pk=context_id).update(updated_at=Now())
    return len(wrong)


def _hold_context(image_id: int) -> str | None:
    """The context of the image, locked; None for an image that is gone."""
    contexts = DiskImage.objects.filter(pk=image_id).values_list("vm_context", flat=True)
    context_id = contexts.first()
    if context_id is not None:
        statuses.hold(context_id)
    return context_id
