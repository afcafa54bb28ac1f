"""Everything that the check knows is found where it was done, behind the constraints' back."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from django.db import connection

from replication.integrity.findings import CODES
from replication.models import PointRemoval
from tests.integrity.conftest import (
    LAWLESS,
    Copy,
    by_its_checks_and_by_all,
    checked,
    checked_but_for_rules,
    codes,
    finds,
    looking_only,
)
from tests.integrity.damages.doing import ALSO, BROKEN, DAMAGES

pytestmark = pytest.mark.django_db(transaction=True)

# These break a rule, or need the check of all rules for something else.
BY_RULES_TOO = {"row_breaks_rule", "check_broke_off"}
BY_RULES = ("row_breaks_rule", "orphan_row")


def test_nothing_is_found_where_all_is_well(whole: Copy) -> None:
    assert checked() == []
    assert checked(deep=True, quiet=True) == []


@by_its_checks_and_by_all(sorted(CODES))
def test_the_damage_is_found(name: str, by_all: bool, lawless: Copy) -> None:
    DAMAGES[name](lawless)
    connection.close()  # the check has one of its own, on which SQLite minds its rules
    deep = name == "digest_differs"
    if by_all or name == "check_broke_off":
        findings = (checked if name in BY_RULES_TOO else checked_but_for_rules)(deep=deep)
        assert "constraint_missing" in codes(findings)
    else:
        with looking_only(finds(name, *ALSO[name])):
            findings = checked(deep=deep)
    beside = LAWLESS | ({"row_breaks_rule"} if name == "check_broke_off" else set())
    assert codes(findings) - beside == ({name} | ALSO[name]) - beside
    assert name in codes(findings)
    for finding in findings:
        assert finding.what
        assert finding.remedy
        assert finding.severity in ("error", "warning")


@by_its_checks_and_by_all(sorted(BROKEN))
def test_a_broken_rule_is_found_and_the_vm_is_named(name: str, by_all: bool, lawless: Copy) -> None:
    """By the generic check, which says of these what to do, too."""
    BROKEN[name](lawless)
    connection.close()
    with nullcontext() if by_all else looking_only(finds(*BY_RULES, *ALSO[name])):
        findings = checked()
    beside = LAWLESS | set(BY_RULES)
    assert codes(findings) - beside == ALSO[name]
    keys = tuple(f"{code} {name} " for code in BY_RULES)
    told = [one for one in findings if one.key.startswith(keys)]
    assert {one.vm_name for one in told} <= {lawless.vm.vm_name, lawless.other.vm_name}
    assert told
    for one in told:
        assert one.context_id
        assert one.remedy not in (CODES["row_breaks_rule"].remedy, CODES["orphan_row"].remedy)


def test_a_removal_that_never_begins_since_each_attempt_fails_is_stuck(lawless: Copy) -> None:
    point = lawless.images[0].recovery_point
    removal = PointRemoval.objects.create(
        recovery_point=point,
        vm_context=lawless.vm,
        why="policy",
        requested_by="auditor",
        problem="no room",
        attempts=25,
    )
    connection.close()
    assert "removal_stuck" not in codes(checked_but_for_rules())
    PointRemoval.objects.filter(pk=removal.pk).update(attempts=26)
    connection.close()
    (found,) = [it for it in checked_but_for_rules() if it.code == "removal_stuck"]
    assert "each of 26 attempts failed: no room" in found.what


def test_every_damage_is_for_a_code() -> None:
    assert set(DAMAGES) == set(CODES)


def test_an_empty_place_of_a_worker_that_came_too_late_is_reported(whole: Copy) -> None:
    """Killed between making the folder and looking whether its time had passed."""
    late = whole.file(whole.images[0]).with_name("late.qcow2.7.tmp")
    late.mkdir(mode=0o700)
    (finding,) = checked()
    assert finding.code == "temporary_file_without_row"
    assert late.name in finding.what
