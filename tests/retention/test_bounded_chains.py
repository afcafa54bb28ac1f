"""40 replications: no chain gets more than 32 images, with rules or without."""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from contexts.models import VMContext
from replication.models import DiskImage
from replication.retention import run, wanted
from replication.retention.choose import Rules
from replication.retention.standing import MOST_IMAGES, Standing
from replication.states import ImageState
from tests.sync.estate import Estate
from vmrep.chaos.lab import SCENARIO

pytestmark = [
    pytest.mark.any_database,
    pytest.mark.slow,
    pytest.mark.scenario(str(SCENARIO)),
]
JOBS = 40


def replicate(estate: Estate, context: VMContext, number: int) -> None:
    estate.control.fill("one", 2000, number * 8192, 4096, seed=number)
    job = estate.run_job(context)
    assert job.status == "completed", job.error_message
    assert Standing(context.pk).longest_chain(estate.repository.pk) <= MOST_IMAGES


def roots() -> int:
    return DiskImage.objects.filter(state=ImageState.COMMITTED, parent=None).count()


def test_without_rules_a_second_chain_begins(estate: Estate):
    context = estate.take("one")
    for number in range(JOBS):
        replicate(estate, context, number)
    assert roots() == 2
    lengths = Counter(Standing(context.pk).chains.length(it.pk) for it in DiskImage.objects.all())
    assert max(lengths) == MOST_IMAGES
    assert Standing(context.pk).longest_chain(estate.repository.pk) == JOBS - MOST_IMAGES
    for point in context.recovery_points.all():
        estate.assert_equal_to_snapshot(point)


def test_with_rules_the_chain_goes_on(estate: Estate):
    context = estate.take("one")
    for number in range(JOBS):
        replicate(estate, context, number)
        wanted.settle(context.pk, Rules(last=30), ZoneInfo("UTC"))
        while run.run_next():
            pass
    assert roots() == 1
    assert Standing(context.pk).longest_chain(estate.repository.pk) == 30
    for point in context.recovery_points.filter(state="available"):
        estate.assert_equal_to_snapshot(point)
    estate.assert_nothing_left_over(context)
