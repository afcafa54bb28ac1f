"""What is counted for monitoring stays as it is, whatever becomes of what was counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from replication.models import ReplicationJob, Tally
from replication.services import cancel, start, tallies
from replication.services.tallies import Answers
from replication.states import JobStatus, TallyKind
from tests import factories
from tests.factories import MIB

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def jobs() -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for row in Tally.objects.filter(kind=TallyKind.JOB):
        found[row.outcome, row.replication_type, row.error_code] += row.count
    return found


def sums() -> dict[tuple[Any, ...], tuple[int, int, int]]:
    found: dict[tuple[Any, ...], tuple[int, int, int]] = {}
    for row in Tally.objects.all():
        key = tuple(getattr(row, name) for name in tallies.SAME)
        count, took, read = found.get(key, (0, 0, 0))
        found[key] = (count + row.count, took + row.microseconds, read + row.bytes)
    return found


def test_each_job_is_counted_once_when_it_ends_and_stays_counted():
    vm = factories.context()
    factories.completed_job(vm)
    factories.completed_job(vm)
    factories.failed_job(vm)
    factories.cancelled_job(vm)
    waiting = start.start(vm, trigger="manual", requested_by="x")
    assert jobs().total() == 4, "a job that waits is none that ended"
    cancel.cancel(waiting, actor="x")
    expected = {
        ("completed", "initial", ""): 1,
        ("completed", "incremental", ""): 1,
        ("failed", "", "unexpected"): 1,
        ("cancelled", "", ""): 2,
    }
    assert jobs() == expected
    assert sum(row.bytes for row in Tally.objects.filter(outcome="completed")) == 64 * MIB
    before = sums()
    ReplicationJob.objects.filter(status=JobStatus.CANCELLED).delete()
    assert sums() == before


def test_rows_that_say_the_same_become_one_and_no_sum_changes():
    vm, other = factories.context("a"), factories.context("b", at=factories.vcenter("other"))
    for _ in range(3):
        factories.failed_job(vm)
    factories.failed_job(other)
    answers = Answers()
    for seconds in (0.1, 0.2, 0.3, 70.0, 80.0):
        answers.note(TallyKind.READ, seconds, 7)
        answers.store(vm.vcenter_id)
    before = sums()
    assert Tally.objects.count() == 9
    tallies.merge()
    assert sums() == before
    assert Tally.objects.count() == len(before) == 5
    tallies.merge()  # nothing is left to do
    assert sums() == before


def test_answers_fall_under_their_bounds_and_cost_one_statement(django_assert_num_queries):
    vcenter, answers = factories.vcenter(), Answers()
    for kind in (TallyKind.CALL, TallyKind.OPEN, TallyKind.READ):
        for bound in tallies.BOUNDS[kind]:
            answers.note(kind, bound)
            answers.note(kind, bound * 1.001)
    with pytest.raises(ValueError, match="no answer"), answers.timed(TallyKind.CALL):
        raise ValueError("no answer")
    with django_assert_num_queries(3):  # within a savepoint: a tally that fails costs no job
        answers.store(vcenter.pk)
    for kind in (TallyKind.CALL, TallyKind.OPEN, TallyKind.READ):
        counts = dict(Tally.objects.filter(kind=kind).values_list("at_most_seconds", "count"))
        first, *others = tallies.BOUNDS[kind]
        assert counts == {first: 1, **dict.fromkeys(others, 2), None: 1}
    with django_assert_num_queries(0):
        answers.store(vcenter.pk)  # all is written
