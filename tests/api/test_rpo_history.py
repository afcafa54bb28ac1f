"""GET vm-contexts/{id}/rpo-history/ and policies/{id}/rpo-history/."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from replication.models import ProtectionSpell
from replication.policies import services, settle
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
URL = "/api/v1/"


def test_how_well_a_vm_and_a_policy_were_kept(api):
    vm = factories.context()
    policy = services.default_policy()
    services.change(policy, services.target(3600), actor="ops")
    settle.tick()
    ProtectionSpell.objects.all().delete()
    began = timezone.now() - timedelta(hours=12)
    spell = {"vm_context": vm, "target_seconds": 3600}
    ProtectionSpell.objects.create(**spell, state="protected", began_at=began)
    shown = api.get(f"{URL}vm-contexts/{vm.pk}/rpo-history/").json()
    assert [period["within_target"] for period in shown["periods"]] == [1.0, 1.0, 1.0]
    assert len(shown["days"]) == 14
    assert [each["state"] for each in shown["spells"]] == ["protected"]
    shown = api.get(f"{URL}policies/{policy.pk}/rpo-history/").json()
    assert [period["within_target"] for period in shown["periods"]] == [1.0, 1.0, 1.0]
    assert "spells" not in shown
    assert api.get(f"{URL}policies/{policy.pk}/rpo-history/?days=3").status_code == 400
    assert api.get(f"{URL}vm-contexts/nobody/rpo-history/").status_code == 404
