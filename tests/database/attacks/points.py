"""Recovery points and the images that they are made of."""

from __future__ import annotations

from tests.database.attacks.attack import (
    IMAGES,
    JOBS,
    NEW,
    NOW,
    POINTS,
    Attack,
    change,
)
from tests.database.attacks.rows import (
    IMAGE1,
    IMAGE2,
)
from tests.database.sql import copy, delete, update

_EXPIRE_D = update(POINTS, "state = 'expired'", "id = {d_done_point}")
_EXPIRE_OLD = update(POINTS, "state = 'expired'", "id = {a_old_point}")


_NEW_JOB = copy(JOBS, "id = {a_old}", id=NEW)
WHOLE = "point_has_an_image_of_each_disk"
# Then the old point's images are nobody's parents.
_ON_NOTHING = update(IMAGES, "parent_id = NULL", "recovery_point_id = {a_done_point}")

POINT = [
    Attack(
        "a recovery point without images",
        (WHOLE,),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW)),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'expired'")),
    ),
    Attack(
        "a recovery point that is being expired without images",
        (WHOLE,),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'expiring'")),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'writing'")),
    ),
    Attack(
        "a recovery point loses its last image",
        (WHOLE,),
        (_ON_NOTHING, update(IMAGES, "state = 'deleting'", "id = {a_old_image2}")),
        (_ON_NOTHING, update(IMAGES, "state = 'deleting'", "id = {a_old_image2}"), _EXPIRE_OLD),
    ),
    Attack(
        "a recovery point loses its first image",
        ("image_has_the_one_before_it",),
        (update(IMAGES, "state = 'deleting'", IMAGE1),),
        (
            update(IMAGES, "state = 'deleting'", "recovery_point_id = {d_done_point}"),
            _EXPIRE_D,
        ),
    ),
    Attack(
        "an image of a recovery point is deleted",
        (WHOLE,),
        (delete(IMAGES, IMAGE2),),
        (delete(IMAGES, IMAGE2), _EXPIRE_D),
    ),
    Attack(
        "all images of a recovery point are deleted",
        (WHOLE,),
        (delete(IMAGES, IMAGE1), delete(IMAGES, IMAGE2)),
        (delete(IMAGES, IMAGE1), delete(IMAGES, IMAGE2), _EXPIRE_D),
    ),
    Attack(
        "an image leaves its recovery point",
        (WHOLE,),
        (update(IMAGES, "recovery_point_id = NULL, state = 'deleting'", IMAGE2),),
        (update(IMAGES, "recovery_point_id = NULL, state = 'deleting'", IMAGE2), _EXPIRE_D),
    ),
    Attack(
        "a recovery point claims more disks than it has images",
        (WHOLE, "image_agrees_with_its_point"),
        (update(POINTS, "disk_count = 3", "id = {d_done_point}"),),
        (update(POINTS, "disk_count = 2", "id = {d_done_point}"),),
    ),
    Attack(
        "a recovery point claims fewer disks than it has images",
        ("image_agrees_with_its_point",),
        (update(POINTS, "disk_count = 1", "id = {d_done_point}"),),
        (
            update(POINTS, "disk_count = 1", "id = {d_done_point}"),
            update(IMAGES, "of_disks = 1", IMAGE1),
            update(IMAGES, "recovery_point_id = NULL, state = 'deleting'", IMAGE2),
        ),
    ),
    Attack(
        "a recovery point of a job that did not complete",
        ("point_job_completed",),
        (update(JOBS, "status = 'failed', error_message = 'x'", "id = {a_old}"),),
        (
            update(JOBS, "status = 'failed', error_message = 'x'", "id = {a_old}"),
            update(POINTS, "state = 'writing'", "id = {a_old_point}"),
            _ON_NOTHING,
            update(IMAGES, "state = 'deleting'", "recovery_point_id = {a_old_point}"),
        ),
    ),
    Attack(
        "a recovery point by another VM's job",
        ("point_job_is_of_its_context",),
        (
            copy(JOBS, "id = {b_done}", id=NEW),
            copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'writing'"),
        ),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'writing'")),
    ),
    Attack(
        "a VM's snapshot twice at a recovery point",
        ("point_snapshot_once_per_point",),
        (copy("recovery_point_snapshots", "is_current"),),
        (copy("recovery_point_snapshots", "is_current", moref="'snapshot-2'"),),
    ),
    Attack(
        "two recovery points of a job",
        (f"{POINTS}.job_id",),
        (copy(POINTS, "id = {a_old_point}", state="'writing'"),),
        (_NEW_JOB, copy(POINTS, "id = {a_old_point}", job_id=NEW, state="'writing'")),
    ),
    *(
        change(POINTS, "id = {d_done_point}", rule, bad, good, name)
        for rule, bad, good, name in (
            (
                *("point_state_known", "state = 'odd'", "state = 'expired'"),
                "a recovery point with an unknown state",
            ),
            (
                *("point_has_disks", "disk_count = 0", "disk_count = 2"),
                "a recovery point of no disks",
            ),
            (
                *("point_damage_says_what", f"damaged_at = {NOW}"),
                *(f"damaged_at = {NOW}, damage = 'x'", "a recovery point damaged by nothing"),
            ),
            (
                *("point_damage_says_what", "damage = 'x'", f"damaged_at = {NOW}, damage = 'x'"),
                "a damage of a recovery point since never",
            ),
        )
    ),
]
