"""The page that offers a comparison, a full copy and a reset, with what each costs."""

from __future__ import annotations

import pytest

from contexts.models import VMContext
from replication.models import DiskImage, ReplicationJob
from tests import factories
from tests.web.conftest import notices, text


@pytest.fixture
def context(db):
    return factories.context("pgtest1")


def address(context: VMContext) -> str:
    return f"/virtual-machines/{context.pk}/sync/"


def test_it_says_what_each_costs_and_is_linked_from_the_panel(web, context):
    factories.completed_job(context)
    assert address(context) in text(web.get(f"/virtual-machines/?vm={context.pk}"))
    page = text(web.get(address(context)))
    for words in ("Compare now", "Copy now", "Reset and compare now", "1 recovery point"):
        assert words in page


@pytest.mark.parametrize("wanted", ["checksum", "initial", "reset_cbt"])
def test_it_starts_a_job_that_was_asked_for_that(web, context, wanted):
    answer = web.post(address(context), {"requested_sync": wanted}, follow=True)
    job = ReplicationJob.objects.get()
    assert (job.requested_sync, job.requested_by, job.trigger) == (wanted, "ops", "manual")
    assert "Replication of pgtest1 was started" in notices(answer)[0]


def test_nothing_else_is_started(web, context):
    for wanted in ("", "as_needed", "everything"):
        answer = web.post(address(context), {"requested_sync": wanted}, follow=True)
        assert notices(answer) == ["Choose whether to compare, copy or reset."]
    factories.pending_job(context)
    answer = web.post(address(context), {"requested_sync": "initial"}, follow=True)
    assert "already being replicated" in notices(answer)[0]
    assert "is active" in text(web.get(address(context)))
    assert ReplicationJob.objects.count() == 1


def test_what_is_degraded_stands_in_the_panel_and_in_the_table(web, context):
    factories.completed_job(context)
    page = text(web.get(f"/virtual-machines/?vm={context.pk}"))
    assert "without a change ID" not in page
    assert "disks need consolidation" not in page
    DiskImage.objects.update(change_id=None, previous_change_id=None, sync_type="checksum")
    page = text(web.get(f"/virtual-machines/?vm={context.pk}"))
    for words in ("1 disk without a change ID", "Reads whole disks", "What a reset costs"):
        assert words in " ".join(page.split())
    VMContext.objects.update(consolidation_needed=True)
    page = " ".join(text(web.get(f"/virtual-machines/?vm={context.pk}")).split())
    assert "Its disks need consolidation" in page
    assert "Needs consolidation" in page
