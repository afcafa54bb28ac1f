"""What the rules want is recorded, and taken back when they no longer want it."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from contexts.models import VMContext
from replication.models import EffectivePolicy, PointRemoval
from replication.policies import settle
from replication.retention import run, services, wanted
from replication.retention.choose import Rules
from replication.states import RecoveryPointState
from tests import factories
from tests.sync.estate import MIB

UTC = ZoneInfo("UTC")


@pytest.fixture
def context(db: None) -> VMContext:
    """With four recovery points, a day apart."""
    vm = factories.context()
    for days in (4, 3, 2, 1):
        factories.completed_job(vm, consistent_at=timezone.now() - timedelta(days=days))
    return vm


def going(context: VMContext) -> list[int]:
    """The numbers of the points that are to go, from the oldest, 0, on."""
    points = list(context.recovery_points.order_by("pk").values_list("pk", flat=True))
    return [points.index(it.recovery_point_id) for it in PointRemoval.objects.order_by("pk")]


def test_what_the_rules_do_not_keep_is_wanted_gone_and_a_preview_says_the_same(context):
    shown = services.preview(context, Rules(last=2), UTC)
    assert wanted.settle(context.pk, Rules(last=2), UTC) == (2, 0)
    assert wanted.settle(context.pk, Rules(last=2), UTC) == (0, 0)
    assert going(context) == [0, 1]
    assert {step.point for step in shown.steps} == set(
        PointRemoval.objects.values_list("recovery_point", flat=True)
    )
    assert shown.longest_chain == 2


def test_more_to_keep_takes_back_what_has_not_begun_but_not_what_a_user_wants(context):
    oldest = context.recovery_points.order_by("pk")[0]
    services.delete(oldest, actor="ops")
    wanted.settle(context.pk, Rules(last=1), UTC)
    assert going(context) == [0, 1, 2]
    assert wanted.settle(context.pk, Rules(last=3), UTC) == (0, 2)
    assert going(context) == [0]
    assert wanted.settle(context.pk, None, UTC) == (0, 0)
    assert going(context) == [0]


def test_a_pinned_point_is_not_wanted_gone(context):
    services.pin(context.recovery_points.order_by("pk")[1], comment="", actor="ops")
    wanted.settle(context.pk, Rules(last=1), UTC)
    assert going(context) == [0, 2]


def test_without_rules_in_effect_all_stay(context):
    assert wanted.settle_by_policy(context.pk) == (0, 0)
    settle.settle([context.pk])
    assert wanted.settle_by_policy(context.pk) == (0, 0)


def test_a_replication_looks_what_goes_by_the_policy(estate, small1):
    """Its first point goes as soon as there is another."""
    settle.settle([small1.pk])
    rules = EffectivePolicy.objects.filter(pk=small1.pk)
    assert rules.update(retention_kind="rules", keep_last=1) == 1
    estate.control.fill("small1", 2000, 4 * MIB, MIB, seed=1)
    estate.replicate(small1)
    assert run.run_next() == small1.pk
    states = small1.recovery_points.order_by("pk").values_list("state", flat=True)
    assert list(states) == [RecoveryPointState.EXPIRED, RecoveryPointState.AVAILABLE]
    estate.assert_equal_to_snapshot(small1.recovery_points.order_by("pk")[1])
    estate.assert_nothing_left_over(small1)
