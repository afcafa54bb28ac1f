"""The nearest policy wins, by groups of values."""

from __future__ import annotations

import pytest

from replication.policies.resolve import in_order, matches, resolve
from replication.policies.values import UNSAID, WITHOUT_ANY, ScopeRow, VMFacts

pytestmark = pytest.mark.any_database

VM = VMFacts("ctx-1", 7, "db-prod-01", "/Bonn/vm/Prod/DB/db-prod-01")
TARGET = {"rpo_kind": "target", "rpo_target_seconds": 900}
KEEP = {"retention_kind": "rules", "keep_last": 3}


def scope(number: int, kind: str, values: dict, **where) -> ScopeRow:
    columns = {"vcenter_id": None, "folder": "", "pattern": "", "context_id": None} | where
    name = "" if kind == "own" else f"policy {number}"
    return ScopeRow(number, kind, *columns.values(), number, name, {**UNSAID, **values})


def target(seconds: int) -> dict:
    return {"rpo_kind": "target", "rpo_target_seconds": seconds}


# From the farthest to the nearest.
NESTED = [
    scope(1, "installation", target(100)),
    scope(2, "vcenter", target(200), vcenter_id=7),
    scope(3, "folder", target(300), vcenter_id=7, folder="/Bonn/vm"),
    scope(4, "folder", target(400), vcenter_id=7, folder="/Bonn/vm/Prod/DB"),
    scope(5, "name", target(500), pattern="*"),
    scope(6, "name", target(600), pattern="db-*"),
    scope(7, "name", target(700), pattern="db-prod-??"),
    scope(8, "vm", target(800), context_id="ctx-1"),
    scope(9, "own", target(900), context_id="ctx-1"),
]


@pytest.mark.parametrize("count", range(1, len(NESTED) + 1))
def test_the_nearest_of_those_that_apply_wins(count):
    """Whatever their order: the folder's deepest, the pattern's longest, the VM's own last."""
    some = list(reversed(NESTED[:count]))
    found = resolve(VM, in_order(some))
    assert found.values["rpo_target_seconds"] == 100 * count
    assert found.sources["when"] == count


def test_without_a_policy_holds_what_holds_without_one():
    found = resolve(VM, [])
    assert found.values == WITHOUT_ANY
    assert set(found.sources.values()) == {None}
    assert (found.policy_id, found.repository_id) == (None, None)


def test_each_group_comes_from_the_nearest_that_says_anything_of_it():
    scopes = [
        scope(1, "installation", {**target(100), **KEEP, "keep_daily": 7, "quiesce": "never"}),
        scope(2, "vcenter", {"retention_kind": "all", "repository_id": 5}, vcenter_id=7),
        scope(3, "name", {"most_running": 2}, pattern="db-*"),
        scope(4, "own", {"compare_every_days": 0}, context_id="ctx-1"),
    ]
    found = resolve(VM, in_order(scopes))
    sources = {"when": 1, "retention": 2, "quiesce": 1, "limits": 3, "checks": 4, "priority": None}
    sources["verify"] = None
    assert found.sources == sources
    assert found.values["keep_daily"] is None, "no group is mixed of two policies"
    assert found.values["compare_every_days"] == 0
    assert (found.policy_id, found.repository_id) == (3, 5), "own values have no name"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (VM._replace(vcenter_id=8), "another vCenter has the same folders"),
        (VM._replace(path="/Bonn/vm/Prod/DBA/db-prod-01"), "a folder that begins alike"),
        (VM._replace(path="/Bonn/vm/Prod/DB"), "a VM named as the folder"),
        (VM._replace(path=""), "an unknown path"),
    ],
)
def test_a_folder_is_of_its_vcenter_and_holds_what_is_below_it(other, why):
    folder = scope(1, "folder", TARGET, vcenter_id=7, folder="/Bonn/vm/Prod/DB")
    assert resolve(VM, [folder]).sources["when"] == 1
    assert resolve(other, [folder]).sources["when"] is None, why


def test_an_unknown_name_matches_no_pattern():
    assert resolve(VM._replace(name=""), [scope(1, "name", TARGET, pattern="*")]).values == (
        WITHOUT_ANY
    )


@pytest.mark.parametrize(
    ("pattern", "name", "match"),
    [
        ("db-*", "DB-01", True),
        ("db-?", "db-12", False),
        ("*[1]", "web[1]", True),
        ("web[12]", "web1", False),
        ("a.c", "abc", False),
        ("ü*", "Übung", True),
        ("u\u0308*", "übung", True),
        ("straße", "STRASSE", True),
        ("x", "x\n", False),
        ("x*", "x\ny", True),
    ],
)
def test_a_pattern_is_of_the_whole_name(pattern, name, match):
    assert matches(pattern, name) is match


def test_a_hostile_name_does_not_hold_up_the_tick():
    assert not matches("*a" * 60 + "b", "a" * 20_000), "by backtracking it would never end"


def test_of_two_patterns_that_are_alike_the_older_one_wins():
    found = resolve(
        VM,
        in_order(
            [scope(9, "name", TARGET, pattern="*-01"), scope(3, "name", TARGET, pattern="db-*")]
        ),
    )
    assert found.sources["when"] == 3
