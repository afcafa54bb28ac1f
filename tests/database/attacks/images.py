"""Images: what they are of, where they are, how far they are."""

from __future__ import annotations

from tests.database.attacks.attack import (
    IMAGES,
    Attack,
    insert,
)
from tests.database.attacks.rows import (
    CHILD_IMAGE,
    IMAGE1,
    IMAGE2,
    SPARE_IMAGE,
    WRITING_IMAGE,
)
from tests.database.sql import update

IMAGE = [
    *(
        insert(IMAGES, IMAGE1, rules, {**SPARE_IMAGE, **bad}, {**SPARE_IMAGE, **good}, name)
        for rules, bad, good, name in (
            (
                "image_point_is_of_its_context image_agrees_with_its_point",
                {"recovery_point_id": "{b_done_point}"},
                {},
                "an image in another VM's recovery point",
            ),
            (
                *("image_disk_is_of_its_context", {"disk_id": "{b_disk1}"}, {}),
                "an image of another VM's disk",
            ),
            (
                *("image_job_is_of_its_context", {"job_id": "{b_done}"}, {}),
                "an image by another VM's job",
            ),
            (
                *("image_disk_once_per_point", {"recovery_point_id": "{d_done_point}"}, {}),
                "a disk twice in a recovery point",
            ),
            (
                *("image_committed_has_point", {"state": "'committed'"}, {}),
                "a committed image in no recovery point",
            ),
            (
                "image_in_a_point_is_not_written",
                {"recovery_point_id": "{d_done_point}", "state": "'writing'"},
                {"state": "'writing'"},
                "an image of a recovery point is still written",
            ),
            (
                "image_locator_once",
                {"locator": "(SELECT locator FROM disk_images WHERE id = {d_done_image2})"},
                {},
                "two images in the same file",
            ),
        )
    ),
    *(
        Attack(
            name, tuple(rules.split()), (update(IMAGES, bad, key),), (update(IMAGES, good, key),)
        )
        for key, rules, bad, good, name in (
            (
                *(
                    CHILD_IMAGE,
                    "image_agrees_with_its_point",
                    "job_id = {a_old}",
                    "job_id = {a_done}",
                ),
                "an image by a job other than its recovery point's",
            ),
            (
                *(IMAGE1, "image_agrees_with_its_point"),
                *("repository_id = {r2}", "repository_id = {r1}"),
                "an image in a repository other than its recovery point's",
            ),
            (
                *(CHILD_IMAGE, "image_parent_is_of_the_same_disk"),
                *("parent_id = {a_old_image2}", "parent_id = {a_old_image1}"),
                "an image based on another disk's",
            ),
            (
                *(IMAGE1, "image_parent_is_of_the_same_disk"),
                "sync_type = 'checksum', parent_id = {a_old_image1}",
                "sync_type = 'checksum', parent_id = NULL",
                "an image based on another VM's",
            ),
            (
                *(
                    CHILD_IMAGE,
                    "image_parent_is_of_the_same_disk disk_images.parent_id "
                    "image_parent_is_committed",
                ),
                *("parent_id = 0", "parent_id = {a_old_image1}"),
                "an image based on one that does not exist",
            ),
            (
                *(CHILD_IMAGE, "image_parent_is_older", "parent_id = id"),
                *("parent_id = {a_old_image1}", "images based on one another in a circle"),
            ),
            (
                *(CHILD_IMAGE, "image_initial_is_a_root", "sync_type = 'initial'"),
                *("sync_type = 'initial', parent_id = NULL", "an initial image based on another"),
            ),
            (
                *(CHILD_IMAGE, "image_incremental_has_change_ids"),
                *("previous_change_id = NULL", "previous_change_id = 'x/1'"),
                "an incremental image without a previous change ID",
            ),
            (
                *(IMAGE2, "image_position_once_per_point", "position = 1", "position = 2"),
                "two images are one number",
            ),
            (
                *(IMAGE2, "image_of_a_point_has_its_number", "position = 3", "position = 2"),
                "an image beyond the number of disks",
            ),
            (
                *(IMAGE2, "image_of_a_point_has_its_number", "position = NULL", "position = 2"),
                "an image of a recovery point without a number",
            ),
            (
                *(IMAGE2, "image_of_a_point_has_its_number", "of_disks = NULL", "of_disks = 2"),
                "an image of a recovery point without the number of disks",
            ),
            (
                *(WRITING_IMAGE, "image_sizes_possible", "transferred_bytes = planned_bytes + 1"),
                *("transferred_bytes = planned_bytes", "an image received more than was planned"),
            ),
            (
                *(WRITING_IMAGE, "image_figures_possible image_sizes_possible"),
                *("checkpoint_bytes = capacity_bytes + 1", "checkpoint_bytes = capacity_bytes"),
                "a checkpoint beyond the disk",
            ),
            (
                *(WRITING_IMAGE, "image_figures_possible", "planned_bytes = capacity_bytes + 1"),
                *("planned_bytes = capacity_bytes", "a plan beyond the disk"),
            ),
            (
                *(WRITING_IMAGE, "image_figures_possible", "allocated_bytes = -1"),
                *("allocated_bytes = 0", "a file of negative size"),
            ),
            (
                *(WRITING_IMAGE, "image_figures_possible", "attempt = 0", "attempt = 2"),
                "an image of attempt zero",
            ),
            (
                *(WRITING_IMAGE, "image_figures_possible", "locator = ''", "locator = 'x'"),
                "an image in no file",
            ),
            (
                *(WRITING_IMAGE, "image_sizes_possible", "checkpoint_bytes = -1"),
                *("checkpoint_bytes = 0", "a checkpoint before the disk"),
            ),
            (
                *(IMAGE1, "image_committed_is_whole", "transferred_bytes = planned_bytes - 1"),
                *("transferred_bytes = planned_bytes", "a committed image with a gap"),
            ),
            (
                *(WRITING_IMAGE, "image_state_known", "state = 'odd'", "state = 'deleting'"),
                "an image with an unknown state",
            ),
            (
                *(IMAGE1, "image_sync_type_known", "sync_type = 'odd'", "sync_type = 'checksum'"),
                "an image with an unknown sync type",
            ),
        )
    ),
]
