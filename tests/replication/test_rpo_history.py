"""How well targets were kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contexts.models import VMContext
from replication.models import ProtectionSpell
from replication.policies import services, settle
from replication.policies.services import Where
from replication.selectors import rpo_history
from replication.selectors.rpo_history import PolicyShare, Spell, warned_seconds
from tests import factories

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)


def spell(vm: VMContext, state: str, began: float, ended: float | None, **more) -> None:
    """Hours ago."""
    ProtectionSpell.objects.create(
        vm_context=vm,
        state=state,
        began_at=NOW - began * HOUR,
        ended_at=None if ended is None else NOW - ended * HOUR,
        **{"target_seconds": 3600, **more},
    )


@pytest.fixture
def vm() -> VMContext:
    """Six of the last 24 hours over its target; and no target before."""
    vm = factories.context("web")
    spell(vm, "no_target", 1000, 48, target_seconds=None)
    spell(vm, "protected", 48, 12, foretold_at=NOW - 12.5 * HOUR)
    spell(vm, "over_target", 12, 6)
    spell(vm, "protected", 6, None)
    return vm


def test_the_share_is_of_the_time_with_a_target(vm):
    found = rpo_history.history(rpo_history.of_vm(vm), NOW)
    day, week, month = found.periods
    assert day.share == pytest.approx(18 / 24)
    assert week.share == month.share == pytest.approx(42 / 48)
    assert [each.share for each in found.days[:-2]] == [None] * 12
    assert [each.share for each in found.days[-2:]] == pytest.approx([1.0, 0.75])
    assert found.days[-1][:2] == (NOW - DAY, NOW)


def test_a_policys_vms_are_those_for_which_it_says_when(vm):
    other, own = factories.context("db"), factories.context("own")
    spell(other, "broken", 24, None)
    gold = services.add("Gold", services.target(3600), actor="ops")
    for name in ("web", "db"):
        services.assign(gold, Where("name", pattern=name), actor="ops")
    services.set_own(own, services.target(3600), actor="ops")
    spell(own, "protected", 24, None)
    settle.tick()
    spells = rpo_history.of_policy(gold, VMContext.objects.all())
    assert rpo_history.shares(spells, [(NOW - DAY, NOW)]) == [pytest.approx(18 / 48)]
    found = rpo_history.by_policy(ProtectionSpell.objects.all(), (NOW - DAY, NOW))
    assert found == [PolicyShare("Gold", 2, pytest.approx(18 / 48)), PolicyShare("", 1, 1.0)]
    assert rpo_history.shares(spells.none(), [(NOW - DAY, NOW)]) == [None]


def test_it_is_one_query_however_many_spells_there_are(vm):
    with CaptureQueriesContext(connection) as captured:
        rpo_history.history(rpo_history.of_vm(vm), NOW)
        rpo_history.spells_of(vm, NOW - DAY)
    assert len(captured) == 2


def test_a_breach_knows_how_long_before_it_was_told(vm):
    newest, breach, before = rpo_history.spells_of(vm, NOW - 40 * HOUR)
    assert (newest.state, breach.state) == ("protected", "over_target")
    assert warned_seconds(breach, before) == 1800
    assert warned_seconds(newest, breach) is None
    assert warned_seconds(breach, before._replace(foretold_at=None)) is None
    long_ago = before._replace(foretold_at=NOW - 20 * HOUR)
    assert warned_seconds(breach, long_ago) is None, "that was another danger"
    assert warned_seconds(breach, None) is None
    assert isinstance(breach, Spell)
