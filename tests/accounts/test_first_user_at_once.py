"""Several who have the set-up code, at once."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.at_once import in_threads
from vmrep.accounts import first_user


@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_one_is_made():
    def make(number: int) -> str:
        try:
            first_user.make(f"chief{number}", "a long enough password")
        except first_user.SetUpClosed:
            return "refused"
        return "made"

    outcomes = in_threads(*(lambda number=number: make(number) for number in range(4)))
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]
    assert User.objects.count() == 1
