"""Two people, one object: what somebody else has changed since a page of the admin was opened is
not overwritten, as on the pages."""

from __future__ import annotations

from typing import Any

import pytest

from contexts.models import VCenter, VMContext, VMDisk
from replication.models import Policy, Repository
from replication.policies import services
from tests import factories
from tests.admin.estate import address

pytestmark = pytest.mark.any_database


def policy() -> Any:
    return services.add("Gold", services.target(900), actor="x")


def disk() -> Any:
    found = factories.context("web").disks.get()
    VMDisk.objects.filter(pk=found.pk).update(unprotected_reason="independent disk")
    return found


MINE, THEIRS = 3600, 7200
CASES: dict[type, tuple[Any, str, Any, Any]] = {
    Policy: (policy, "rpo_target_seconds", MINE, THEIRS),
    VMContext: (lambda: factories.context("web"), "rpo_target_seconds", MINE, THEIRS),
    VMDisk: (disk, "accept_unprotected", None, True),
    Repository: (lambda: factories.repository("here"), "name", "mine", "theirs"),
    VCenter: (lambda: factories.vcenter("Bonn"), "name", "mine", "theirs"),
}


def filled(answer: Any) -> dict[str, Any]:
    """What a browser sends of the page as it is shown."""
    form = answer.context["adminform"].form
    sent = {name: form[name].value() for name in form.fields}
    for inline in answer.context["inline_admin_formsets"]:
        for name in ("TOTAL_FORMS", "INITIAL_FORMS"):
            sent[f"{inline.formset.prefix}-{name}"] = 0
    return {name: value for name, value in sent.items() if value is not None and value is not False}


@pytest.mark.parametrize("model", CASES)
def test_what_somebody_else_changed_is_not_overwritten(admin, model):
    make, field, mine, theirs = CASES[model]
    row = make()
    here = address(model, "change", row.pk)
    page = admin.get(here)
    assert page.content.decode().count('name="seen"') == 1
    sent = filled(page) | ({} if mine is None else {field: mine})
    model.objects.filter(pk=row.pk).update(**{field: theirs})

    refused = admin.post(here, sent)
    assert refused.status_code == 409
    told = " ".join(refused.context["adminform"].form.non_field_errors())
    assert "Somebody changed this after you opened the page" in told
    label = refused.context["adminform"].form[field].label
    assert f"{label} is now {'yes' if theirs is True else theirs}" in told
    assert getattr(model.objects.get(pk=row.pk), field) == theirs
    if model is VCenter:
        return  # there is none that could be asked whether it is well
    # Now it is known, and what is entered is meant.
    assert admin.post(here, filled(refused)).status_code == 302
    stored = getattr(model.objects.get(pk=row.pk), field)
    assert stored == (theirs if mine is None else mine)


def test_whoever_changes_another_value_is_told_and_keeps_theirs(admin):
    """What was left alone is filled in as it is stored now."""
    row = policy()
    here = address(Policy, "change", row.pk)
    sent = filled(admin.get(here)) | {"priority": "high"}
    Policy.objects.filter(pk=row.pk).update(rpo_target_seconds=THEIRS)
    refused = admin.post(here, sent)
    assert refused.status_code == 409
    assert admin.post(here, filled(refused)).status_code == 302
    row.refresh_from_db()
    assert (row.rpo_target_seconds, row.priority) == (THEIRS, "high")


def test_a_password_that_somebody_else_entered_is_not_overwritten(admin):
    row = factories.vcenter("Bonn")
    here = address(VCenter, "change", row.pk)
    sent = filled(admin.get(here)) | {"password": "mine"}
    VCenter.objects.filter(pk=row.pk).update(password_encrypted="v2:another")
    refused = admin.post(here, sent)
    assert refused.status_code == 409
    assert "Password is now changed" in " ".join(
        refused.context["adminform"].form.non_field_errors()
    )
