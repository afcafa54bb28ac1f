"""By the policies: which VM is verified by itself, and when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from contexts.models import VMContext
from replication.models import EffectivePolicy, PointVerification, RecoveryPoint
from replication.policies import settle
from replication.verify import due
from tests import factories

pytestmark = pytest.mark.any_database
DAY = timedelta(days=1)


@pytest.fixture
def vms(db: None, monkeypatch: pytest.MonkeyPatch) -> list[VMContext]:
    """Six with a recovery point, and one without; all are to be verified every seven days."""
    monkeypatch.setattr("replication.messages.hint_verify", lambda: None)
    made = [factories.context(f"vm-{number}") for number in range(7)]
    for vm in made[:6]:
        factories.recovery_point(vm)
    settle.settle([vm.pk for vm in made])
    EffectivePolicy.objects.update(verify_every_days=7)
    return made


def asked_for() -> set[str]:
    return set(PointVerification.objects.values_list("vm_context__vm_name", flat=True))


def test_the_longest_unverified_come_first_and_few_at_a_time(vms):
    for number, days in ((0, 9), (1, 8), (2, 6), (3, 30)):
        done = factories.verification(newest(vms[number]))
        PointVerification.objects.filter(pk=done.pk).update(created_at=Now() - days * DAY)
    now = timezone.now()
    assert due.due(now, 10) == [vms[n].pk for n in (4, 5, 3, 0, 1)]
    PointVerification.objects.all().delete()
    due.start_due()
    assert len(asked_for()) == due.MOST_WAITING
    due.start_due()
    assert len(asked_for()) == due.MOST_WAITING
    PointVerification.objects.update(state="verified", ended_at=Now())
    due.start_due()
    assert asked_for() == {f"vm-{number}" for number in range(6)}
    assert set(PointVerification.objects.values_list("trigger", "requested_by")) == {
        ("schedule", "schedule")
    }


def test_nobody_is_verified_without_a_policy_that_says_so_or_when_it_is_known_to_be_damaged(vms):
    VMContext.objects.filter(pk=vms[0].pk).update(unmanaged_at=Now())
    RecoveryPoint.objects.filter(vm_context=vms[1]).update(damaged_at=Now(), damage="gone")
    VMContext.objects.filter(pk=vms[1].pk).update(newest_point_damaged=True)
    EffectivePolicy.objects.filter(vm_context=vms[2].pk).update(verify_every_days=0)
    EffectivePolicy.objects.filter(vm_context=vms[3].pk).update(verify_every_days=None)
    factories.verification(newest(vms[4]), "waiting")
    assert due.due(timezone.now(), 10) == [vms[5].pk]


def test_two_statements_look_while_no_policy_asks_for_any(vms, django_assert_max_num_queries):
    EffectivePolicy.objects.update(verify_every_days=None)
    with django_assert_max_num_queries(3):  # PostgreSQL is asked for the time, too
        due.start_due()


def newest(vm: VMContext) -> RecoveryPoint:
    return RecoveryPoint.objects.filter(vm_context=vm).latest("pk")
