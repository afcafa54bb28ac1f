"""What a run of the check means for images and recovery points: damages are marked, and cleared
when a look at the whole image no longer finds them."""

from __future__ import annotations

from django.db.models import Q

from replication.integrity.files import (
    BACKING_FILE_DIFFERS,
    DIGEST_DIFFERS,
    IMAGE_FILE_CHANGED,
    IMAGE_FILE_DAMAGED,
    IMAGE_FILE_MISSING,
    IMAGE_OPENED_ELSEWHERE,
    IMAGE_SIZE_DIFFERS,
)
from replication.integrity.findings import CHECK_BROKE_OFF, Finding, Scope
from replication.integrity.points import CHAIN_BROKEN
from replication.models import ImageDamage
from replication.services import damages
from replication.states import DamageFinder

# Those of files are found by any look at the file, unless it took tables or digests to see them.
_BY_DEEP_LOOKS = frozenset({IMAGE_FILE_DAMAGED.name, DIGEST_DIFFERS.name})
DAMAGES = _BY_DEEP_LOOKS | {
    IMAGE_FILE_MISSING.name,
    IMAGE_SIZE_DIFFERS.name,
    BACKING_FILE_DIFFERS.name,
    CHAIN_BROKEN.name,
    IMAGE_FILE_CHANGED.name,
    IMAGE_OPENED_ELSEWHERE.name,
}


class Verdict:
    """Of one run; its findings are noted as they come, at most as many as a run lists."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._found: set[tuple[int, str]] = set()
        self._only_counted: set[str] = set()

    def note(self, finding: Finding) -> None:
        if finding.image_id is None:
            self._only_counted.add(finding.code)
            return
        self._found.add((finding.image_id, finding.code))
        if finding.code in DAMAGES:
            damages.mark(
                finding.image_id,
                finding.code,
                finding.what,
                DamageFinder.INTEGRITY,
                needs_deep_look=self._scope.deep and finding.code in _BY_DEEP_LOOKS,
            )

    def clear_the_rest(self) -> None:
        """When the run is complete: what it looked at and did not find is gone. What only one of
        its two looks found stays until a run finds nothing. A code of which more was found than is
        listed says nothing about the images that are not listed."""
        found = self._found | self._scope.unconfirmed
        looked_at = self._scope.looked_at
        # What only reading the content finds is found gone only by a verification.
        of_content = Q(code__in=damages.FOUND_BY_READING)
        open_damages = ImageDamage.objects.filter(~of_content, image__in=looked_at)
        open_damages = open_damages.filter(cleared_at__isnull=True)
        if not self._scope.deep:
            open_damages = open_damages.filter(needs_deep_look=False)
        for damage_id, image_id, code in open_damages.values_list("pk", "image_id", "code"):
            was_found = {(image_id, code), (image_id, CHECK_BROKE_OFF.name)} & found
            if not was_found and code not in self._only_counted:
                damages.clear(damage_id)
