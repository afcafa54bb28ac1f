"""Repositories: what is kept is not kept in one that was removed; their space."""

from __future__ import annotations

from tests.database.attacks.attack import CONTEXTS, IMAGES, NOW, Attack, change, insert
from tests.database.attacks.health import add, add_attack, twice
from tests.database.attacks.policies import POLICY
from tests.database.attacks.rows import IMAGE1, REPOSITORY_ROW, SPARE_IMAGE, VM_C
from tests.database.scratch import A_TYPE
from tests.database.sql import copy, update

REMOVE_OTHER = update("repositories", f"removed_at = {NOW}, removed_by = 'x'", "id = {r2}")
SPACE = {
    **{"repository_id": "{r1}", "hour": NOW, "free_bytes": "1", "total_bytes": "2"},
    "stored_bytes": "1",
}
MANIFEST = {
    **{"repository_id": "{r2}", "vm_context_id": "{c}", "version": "1", "written_version": "0"},
    **{"digest": "''", "given_digests": "''", "problem": "''", "seen_at": "NULL"},
}
OTHER_IMAGE = copy(IMAGES, IMAGE1, **{**SPARE_IMAGE, "repository_id": "{r2}"})


def removed(rule: str, statement: str, name: str) -> Attack:
    """Something is kept in a repository that is removed in the same transaction; the twin keeps it
    in one that stays."""
    return Attack(name, (rule,), (statement, REMOVE_OTHER), (statement,))


REPOSITORIES = [
    removed(
        "context_repository_is_there",
        update(CONTEXTS, "repository_id = {r2}", VM_C),
        "a VM in a repository that was removed",
    ),
    removed("image_repository_is_there", OTHER_IMAGE, "an image in a repository that was removed"),
    removed(
        "policy_repository_is_there",
        add("policies", POLICY | {"repository_id": "{r2}"}),
        "a policy that sends VMs to a repository that was removed",
    ),
    change(
        *("repositories", REPOSITORY_ROW, "repository_reserve_is_possible"),
        *("reserve_bytes = -1", "reserve_bytes = 0", "a negative reserve of a repository"),
    ),
    change(
        *("repositories", "id = {r2}", "repository_removed_by_whom"),
        f"removed_at = {NOW}, removed_by = ''",
        f"removed_at = {NOW}, removed_by = 'x'",
        "a repository that nobody removed",
    ),
    insert(
        *("repositories", REPOSITORY_ROW, "repository_name_once"),
        {"uuid": "'00000000000000000000000000000001'"},
        {"uuid": "'00000000000000000000000000000001'", "name": "'third'"},
        "two repositories of one name",
    ),
    *(
        add_attack("repository_space", SPACE, rules, bad, name)
        for rules, bad, name in (
            (("repository_space_is_possible",), {"free_bytes": "-1"}, "less than no space"),
            (
                *(("repository_space_column_types", A_TYPE), {"hour": "'then'"}),
                "space of an odd time",
            ),
            (
                *(("repository_space.repository_id",), {"repository_id": "999"}),
                "space of no repository",
            ),
        )
    ),
    twice(
        *("repository_space", SPACE, "repository_space_once_per_hour", {"hour": "'2020-01-01'"}),
        "the space of one hour twice",
    ),
    *(
        add_attack("replica_manifests", MANIFEST, rules, bad, name)
        for rules, bad, name in (
            (
                ("manifest_version_was_given",),
                {"written_version": "2"},
                "a manifest of a version that was never given",
            ),
            (
                *(("manifest_column_types", A_TYPE), {"seen_at": "'then'"}),
                "a manifest that saw its VM at an odd time",
            ),
            (
                *(("replica_manifests.repository_id",), {"repository_id": "999"}),
                "a manifest in no repository",
            ),
            (
                *(("replica_manifests.vm_context_id",), {"vm_context_id": "'none'"}),
                "a manifest of no VM",
            ),
        )
    ),
    twice(
        *("replica_manifests", MANIFEST, "manifest_once_per_vm_and_repository"),
        {"vm_context_id": "{e}"},
        "two manifests of one VM in one repository",
    ),
]
