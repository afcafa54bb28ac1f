"""The default RPO target over the API."""

from __future__ import annotations

import pytest

from replication.models import Installation
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_vm_without_a_target_of_its_own_gets_the_default(api):
    assert api.get("installation/").json() == {"default_rpo_target_seconds": None}
    context = factories.context()
    factories.recovery_point(context)
    for seconds, state in ((3600, "protected"), (None, "no_target")):
        answer = api.patch("installation/", {"default_rpo_target_seconds": seconds})
        assert answer.json() == {"default_rpo_target_seconds": seconds}
        shown = api.get(f"vm-contexts/{context.pk}/").json()["context"]
        assert (shown["rpo_target_seconds"], shown["target_seconds"]) == (None, seconds)
        assert shown["protection"] == state


@pytest.mark.parametrize("seconds", [0, 59, "900", 1.5, True, 99_999_999])
def test_a_default_that_means_nothing_is_refused(api, seconds):
    answer = api.patch("installation/", {"default_rpo_target_seconds": seconds})
    assert answer.status_code in (400, 409)
    assert not Installation.objects.exists()


def test_a_misspelt_field_and_an_old_filter_are_told(api):
    answer = api.patch("installation/", {"default_rpo_target": 3600})
    assert "default_rpo_target_seconds" in answer.json()["message"]
    answer = api.get("vm-contexts/?rpo=protected")
    assert "Did you mean 'protection'?" in answer.json()["message"]
