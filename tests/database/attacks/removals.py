"""Recovery points that are to go: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import IMAGES, NOW, POINTS, Attack, Statements, change
from tests.database.scratch import A_TYPE
from tests.database.sql import copy, update

REMOVAL = {
    **{"id": "1", "recovery_point_id": "{a_old_point}", "vm_context_id": "{a}"},
    **{"why": "'policy'", "requested_by": "'ops'", "state": "'wanted'", "problem": "''"},
    **{"attempts": "0", "freed_bytes": "0", "created_at": NOW, "updated_at": NOW},
}
MERGE = {
    **{"removal_id": "1", "image_id": "{a_old_image1}", "child_id": "{a_done_image1}"},
    **{
        "stage": "'planned'",
        "digest": "''",
        "map_digest": "''",
        "writer_host": "''",
        "writer_boot_id": "''",
    },
    **{"done_percent": "0", "updated_at": NOW},
}
EXPIRED = (
    update(
        *(POINTS, f"state = 'expired', expired_at = {NOW}, expired_why = 'user'"),
        "id = {a_old_point}",
    ),
    update(IMAGES, "state = 'deleting'", "recovery_point_id = {a_old_point}"),
)
OTHER = MERGE | {"image_id": "{a_old_image2}", "child_id": "{a_done_image2}"}


def add(table: str, row: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def _removal(rules: Statements, bad: dict[str, str], name: str, good: dict | None = None) -> Attack:
    twin = add("point_removals", REMOVAL | (good or {}))
    return Attack(name, rules, (add("point_removals", REMOVAL | bad),), (twin,))


def _merge(rules: Statements, bad: dict[str, str], name: str, good: dict | None = None) -> Attack:
    removal = add("point_removals", REMOVAL)
    twin = (removal, add("image_merges", MERGE | (good or {})))
    return Attack(name, rules, (removal, add("image_merges", MERGE | bad)), twin)


REMOVALS = [
    *(
        _removal((rule,), bad, name, good)
        for rule, bad, name, good in (
            ("removal_state_known", {"state": "'odd'"}, "a removal in an unknown state", None),
            (
                *("removal_says_who_and_why", {"why": "'replica'"}),
                *("a point removed with a replica that stays", {"why": "'user'"}),
            ),
            (
                *("removal_says_who_and_why", {"requested_by": "''"}),
                *("a removal that nobody asked for", None),
            ),
            (
                *("removal_done_has_ended", {"state": "'done'", "started_at": NOW}),
                "a removal done without a time",
                {"state": "'done'", "started_at": NOW, "ended_at": NOW},
            ),
            (
                *("removal_done_has_ended", {"ended_at": NOW}),
                *("a removal that has ended before it was done", None),
            ),
            (
                *("removal_under_way_has_started", {"state": "'under_way'"}),
                "a removal under way since never",
                {"state": "'under_way'", "started_at": NOW},
            ),
            (
                *("removal_figures_possible", {"freed_bytes": "-1"}),
                *("a removal that took space", {"freed_bytes": "1"}),
            ),
            (
                *("removal_point_is_of_its_context", {"vm_context_id": "{b}"}),
                *("a removal of another VM's recovery point", None),
            ),
        )
    ),
    _removal(
        *(("removal_column_types", A_TYPE), {"next_attempt_at": "'soon'"}),
        *("a removal tried again at no time", {"next_attempt_at": NOW}),
    ),
    Attack(
        "two removals of a recovery point",
        ("point_removals.recovery_point_id",),
        (add("point_removals", REMOVAL), add("point_removals", REMOVAL | {"id": "2"})),
        (
            add("point_removals", REMOVAL),
            add("point_removals", REMOVAL | {"id": "2", "recovery_point_id": "{a_done_point}"}),
        ),
    ),
    *(
        _merge(rules, bad, name, good)
        for rules, bad, name, good in (
            (("merge_stage_known",), {"stage": "'odd'"}, "a merge at an unknown stage", None),
            (
                *(("merge_has_a_child_until_it_is_done",), {"child_id": "NULL"}),
                *("a merge of nothing", {"child_id": "NULL", "stage": "'done'"}),
            ),
            (
                *(("merge_has_a_child_until_it_is_done",), {"stage": "'done'"}),
                *("a merge that is done and goes on", None),
            ),
            (
                *(("merge_was_checked",), {"stage": "'merged'"}),
                *("a merged file that nobody read", {"stage": "'merged'", "digest": "'x'"}),
            ),
            (
                *(("merge_percent_possible",), {"done_percent": "101"}),
                *("a merge that is more than done", {"done_percent": "100"}),
            ),
            (
                ("merge_child_is_based_on_the_image",),
                {"child_id": "{a_done_image2}"},
                "an image merged into another disk's",
                None,
            ),
            (
                *(("image_merges.removal_id",), {"removal_id": "2"}),
                *("a merge for no removal", None),
            ),
            (
                *(("merge_column_types", A_TYPE), {"writer_pid": "'first'"}),
                *("a merge by an odd process", {"writer_pid": "1"}),
            ),
        )
    ),
    Attack(
        "an image that is merged twice",
        ("image_merges.image_id",),
        (
            add("point_removals", REMOVAL),
            add("image_merges", MERGE | {"child_id": "NULL", "stage": "'done'"}),
            add("image_merges", MERGE),
        ),
        (
            add("point_removals", REMOVAL),
            add("image_merges", MERGE),
            add("image_merges", OTHER),
        ),
    ),
    change(
        *(POINTS, "id = {d_done_point}", "point_expired_says_why"),
        f"expired_at = {NOW}, expired_why = 'user'",
        "expired_at = NULL, expired_why = ''",
        "an available recovery point that has expired",
    ),
    Attack(
        "a recovery point that expires while others are based on it",
        ("image_parent_is_committed",),
        EXPIRED,
        (
            update(IMAGES, "parent_id = NULL", "recovery_point_id = {a_done_point}"),
            *EXPIRED,
        ),
    ),
    Attack(
        "two pins of a recovery point",
        ("hold_one_pin_per_point",),
        (copy("recovery_point_holds", "kind = 'pin'", owner="'x'"),),
        (copy("recovery_point_holds", "kind = 'pin'", owner="'x'", kind="'verify'"),),
    ),
]
