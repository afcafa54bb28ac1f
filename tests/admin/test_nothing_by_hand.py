"""What vmrep keeps right cannot be added, deleted or rewritten by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.forms.models import model_to_dict

from contexts.models import VMContext, VMDisk
from replication.models import Repository
from tests import factories
from tests.admin.estate import KEPT, address, grow, name_of
from tests.shared_rows import shared_rows

every_kept_model = pytest.mark.parametrize("model", KEPT, ids=name_of)

# All that a person may decide, by model.
EDITABLE = {VMContext: {"rpo_target_seconds"}, VMDisk: {"accept_unprotected"}}


@pytest.fixture(scope="module", autouse=True)
def grown(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A row or more of every model, for all tests here."""
    with shared_rows(django_db_blocker):
        grow()
        yield


def snapshot(row) -> dict:
    row.refresh_from_db()
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@every_kept_model
def test_a_row_cannot_be_added(admin, model):
    assert admin.get(address(model, "add")).status_code == 403
    assert admin.post(address(model, "add"), {}).status_code == 403


@every_kept_model
def test_a_row_cannot_be_deleted(admin, model):
    row = model.objects.order_by("pk").last()
    assert admin.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    admin.post(
        address(model, "changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
    )
    assert model.objects.filter(pk=row.pk).exists()


@every_kept_model
def test_only_what_a_person_decides_can_be_changed(admin, model):
    VMDisk.objects.update(unprotected_reason="is a raw device")  # only such a one is left out
    row = model.objects.order_by("pk").last()
    before = snapshot(row)
    wanted = {
        name: f"{value}1" if isinstance(value, str) else 700
        for name, value in model_to_dict(row).items()
    }
    inlines = {
        f"{prefix}-{name}": 0
        for prefix in ("disks", "network_adapters", "steps", "images", "findings")
        for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    answer = admin.post(address(model, "change", row.pk), wanted | inlines)
    assert answer.status_code == (302 if model in EDITABLE else 403)
    after = snapshot(row)
    changed = {name for name in before if before[name] != after[name]}
    assert changed - {"updated_at"} == EDITABLE.get(model, set())


def test_the_form_offers_only_what_a_person_decides(admin):
    for model in KEPT:
        row = model.objects.order_by("pk").last()
        form = admin.get(address(model, "change", row.pk)).context["adminform"].form
        of_a_change = {"seen"} if model in EDITABLE else set()  # not a value: test_stale_edits.py
        assert set(form.fields) == EDITABLE.get(model, set()) | of_a_change, model


def test_a_change_does_not_undo_what_happened_meanwhile(admin):
    """The form is read, a job starts, the form is written: the job's marks stay."""
    context = factories.context()
    page = admin.get(address(VMContext, "change", context.pk))
    assert page.status_code == 200
    job = factories.pending_job(context)
    answer = admin.post(
        address(VMContext, "change", context.pk), {"rpo_target_seconds": 900, **no_inlines()}
    )
    assert answer.status_code == 302
    context.refresh_from_db()
    assert context.rpo_target_seconds == 900
    assert (context.current_job, context.total_jobs_run) == (job, 1)


def no_inlines() -> dict[str, int]:
    return {
        f"{prefix}-{name}": 0
        for prefix in ("disks", "network_adapters")
        for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }


def test_a_repository_is_chosen_on_the_vms_page_alone(admin):
    """A move means a new full copy, which only that page says."""
    context = factories.context()
    before = context.repository
    body = {"repository": factories.repository().pk, "rpo_target_seconds": "", **no_inlines()}
    assert admin.post(address(VMContext, "change", context.pk), body).status_code == 302
    context.refresh_from_db()
    assert context.repository == before


def test_a_disk_is_left_out_by_the_service(admin, said):
    context = factories.context()
    disk = context.disks.first()
    here = address(VMDisk, "change", disk.pk)
    answer = admin.post(here, {"accept_unprotected": "on"})
    assert any("can be replicated, so it cannot be left out" in text for text in said(answer))
    disk.refresh_from_db()
    assert not disk.accept_unprotected
    VMDisk.objects.filter(pk=disk.pk).update(unprotected_reason="is a raw device")
    assert admin.post(here, {"accept_unprotected": "on"}).status_code == 302
    disk.refresh_from_db()
    assert disk.accept_unprotected
    assert "to be replicated without" in context.events.latest("pk").why


def test_a_repository_cannot_be_deleted_and_only_be_renamed(admin):
    repository = factories.repository("old name")
    config, uuid = repository.config, repository.uuid
    assert (
        admin.post(address(Repository, "delete", repository.pk), {"post": "yes"}).status_code == 403
    )
    body = {"name": "new name", "kind": "other", "config": "{}", "uuid": "x"}
    assert admin.post(address(Repository, "change", repository.pk), body).status_code == 302
    repository.refresh_from_db()
    assert (repository.name, repository.config, repository.uuid) == ("new name", config, uuid)
