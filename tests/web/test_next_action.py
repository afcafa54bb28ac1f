"""The next sensible action: the first rule that fits, and nothing that would be refused."""

from __future__ import annotations

import pytest

from replication.models import ReplicationJob
from replication.selectors.contexts import contexts_in_detail
from replication.selectors.jobs import current_job
from tests import factories
from vmrep.web.next_action import Situation, next_action, situation

GIB = 1 << 30
FINE = Situation(has_point=True, last_job="completed")


@pytest.mark.parametrize(
    ("now", "kind", "button", "urgent"),
    [
        (FINE, "replicate", "Replicate now", False),
        (FINE._replace(is_over_target=True), "replicate", "Replicate now", True),
        (FINE._replace(is_dated_ahead=True), "replicate", "Replicate now", True),
        (FINE._replace(last_job="failed"), "replicate", "Replicate again", True),
        (FINE._replace(last_job="cancelled"), "replicate", "Replicate now", False),
        (Situation(), "replicate", "Replicate now", True),
        (Situation(last_job="failed"), "replicate", "Replicate again", True),
        (FINE._replace(job_is_active=True), "watch", "", False),
        (FINE._replace(job_is_active=True, is_cancelling=True), "wait", "", False),
        (FINE._replace(is_gone=True), "discover", "Go to Discovery", True),
        (FINE._replace(identity_changed=True), "decide", "Compare and decide", True),
        (FINE._replace(is_managed=False), "take", "Take it again", False),
        (FINE._replace(has_repository=False), "wait", "", True),
        (FINE._replace(is_damaged=True), "copy", "Copy in full into a new chain", True),
        (FINE._replace(is_away=True), "wait", "", True),
        (FINE._replace(has_undecided_disk=True), "disks", "Look at its disks", True),
    ],
)
def test_a_situation_has_one_next_action(now, kind, button, urgent):
    action = next_action(now)
    assert (action.kind, action.button, action.urgent) == (kind, button, urgent)
    assert action.why.endswith(".")


def test_a_job_that_runs_comes_before_everything_else():
    worst = Situation(
        is_managed=False, is_gone=True, identity_changed=True, job_is_active=True, last_job="failed"
    )
    assert next_action(worst).kind == "watch"


def test_a_job_that_is_held_up_is_not_said_to_be_under_way():
    waits = FINE._replace(job_is_active=True, is_held_up=True)
    assert next_action(waits).kind == "watch"
    assert "under way" not in next_action(waits).why
    assert next_action(waits._replace(is_cancelling=True)).kind == "wait"


def test_a_vm_that_was_let_go_is_neither_compared_nor_discovered():
    let_go = Situation(is_managed=False, is_gone=True, identity_changed=True)
    assert next_action(let_go).kind == "take"


def test_a_changed_identity_is_decided_although_the_vm_is_gone():
    assert next_action(FINE._replace(is_gone=True, identity_changed=True)).kind == "decide"


def test_the_first_replication_says_how_much_it_copies_at_most_where_that_is_known():
    assert "up to 40 GiB" in next_action(Situation(capacity_bytes=40 * GIB)).why
    assert "up to" not in next_action(Situation()).why


@pytest.mark.django_db
def test_a_vm_that_moves_is_not_said_to_copy_only_what_changed():
    context = factories.context(keep_in=factories.repository("here"))
    factories.completed_job(context)
    said = next_action(situation(contexts_in_detail().get(pk=context.pk), None, None)).why
    assert "copies what has changed" in said
    there = factories.repository("there")
    type(context).objects.filter(pk=context.pk).update(repository=there)
    said = next_action(situation(contexts_in_detail().get(pk=context.pk), None, None)).why
    assert "begins in the repository there" in said
    assert "what has changed" not in said


def test_a_target_that_is_missed_is_named():
    late = FINE._replace(is_over_target=True, target_seconds=900)
    assert "15 m" in next_action(late).why


@pytest.mark.django_db
def test_a_situation_is_read_off_the_context():
    context = factories.context()
    read = situation(contexts_in_detail().get(pk=context.pk), None, None)
    assert read == Situation(capacity_bytes=64 << 20)
    job = factories.running_job(context)
    ReplicationJob.objects.update(cancel_requested_at=job.started_at, cancel_requested_by="ops")
    context.refresh_from_db()
    read = situation(contexts_in_detail().get(pk=context.pk), current_job(context), None)
    assert (read.job_is_active, read.is_cancelling, read.last_job) == (True, True, "running")


@pytest.mark.django_db
def test_a_disk_that_no_snapshot_holds_is_decided_first_and_only_once():
    shared = factories.disk_record(2001, disk_mode="independent_persistent")
    context = factories.context(disks=[factories.disk_record(), shared])
    read = situation(contexts_in_detail().get(pk=context.pk), None, None)
    assert next_action(read).kind == "disks"
    context.disks.filter(disk_id="disk-2001").update(accept_unprotected=True)
    assert (
        next_action(situation(contexts_in_detail().get(pk=context.pk), None, None)).kind
        == "replicate"
    )
