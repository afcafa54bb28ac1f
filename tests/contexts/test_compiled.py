"""What is compiled once says the same wherever it is used."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from contexts import presence
from contexts.compiled import ByKey
from contexts.models import DiscoveredVM, VMContext
from tests import factories

pytestmark = pytest.mark.django_db


def test_it_tells_of_the_right_rows_within_a_query_of_the_same_table():
    gone, here = factories.contexts(["gone", "here"])
    DiscoveredVM.objects.filter(vmware_vm_id=gone.vmware_vm_id).update(gone_at=timezone.now())
    missing = presence.contexts_with_presence().filter(gone_since__isnull=False)
    assert [context.pk for context in missing] == [gone.pk]

    # In here the outer query has the table's name, and the inner one another.
    beside_it = VMContext.objects.filter(vcenter__in=missing.values("vcenter"))
    assert {context.pk for context in beside_it} == {gone.pk, here.pk}
    assert missing.count() == 1
    assert [context.pk for context in missing] == [gone.pk]


@pytest.mark.any_database
def test_a_row_by_its_key_is_the_one_that_a_query_finds(django_assert_num_queries):
    ann, bob = factories.user("ann"), factories.user("bob", is_active=False)
    users = ByKey(User)
    for user in (ann, bob, ann):
        with django_assert_num_queries(1):
            found = users.get(user.pk)
        wanted = User.objects.get(pk=user.pk)
        assert found is not None
        assert {**found.__dict__, "_state": None} == {**wanted.__dict__, "_state": None}
        assert not found._state.adding
    assert users.get(bob.pk + 1) is None
