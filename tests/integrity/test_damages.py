"""Everything that the check knows is found where it was done, behind the constraints' back."""

from __future__ import annotations

import pytest
from django.db import connection

from replication.integrity.findings import CODES
from replication.models import PointRemoval
from tests.integrity.conftest import LAWLESS, Copy, checked, checked_but_for_rules, codes
from tests.integrity.damages.doing import ALSO, BROKEN, DAMAGES

pytestmark = pytest.mark.django_db(transaction=True)

# These break a rule, or need the check of all rules for something else.
BY_ALL_CHECKS = {"row_breaks_rule", "check_broke_off"}


def test_nothing_is_found_where_all_is_well(whole: Copy) -> None:
    assert checked() == []
    assert checked(deep=True, quiet=True) == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_damage_is_found(code: str, lawless: Copy) -> None:
    DAMAGES[code](lawless)
    connection.close()  # the check has one of its own, on which SQLite minds its rules
    look = checked if code in BY_ALL_CHECKS else checked_but_for_rules
    findings = look(deep=code == "digest_differs")
    beside = LAWLESS | ({"row_breaks_rule"} if code == "check_broke_off" else set())
    assert codes(findings) - beside == ({code} | ALSO[code]) - beside
    assert code in codes(findings)
    assert "constraint_missing" in codes(findings)
    for finding in findings:
        assert finding.what
        assert finding.remedy
        assert finding.severity in ("error", "warning")


@pytest.mark.parametrize("rule", sorted(BROKEN))
def test_a_broken_rule_is_found_and_the_vm_is_named(rule: str, lawless: Copy) -> None:
    """By the generic check, which says of these what to do, too."""
    BROKEN[rule](lawless)
    connection.close()
    findings = checked()
    beside = LAWLESS | {"row_breaks_rule", "orphan_row"}
    assert codes(findings) - beside == ALSO[rule]
    keys = (f"row_breaks_rule {rule} ", f"orphan_row {rule} ")
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
