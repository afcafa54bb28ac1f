"""Two processes that take VMs in the same second, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from contexts.models import VMContext
from contexts.services import management
from tests import factories
from tests.at_once import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time"
    ),
]


def taking(*vms: Any) -> Callable[[], list[str]]:
    return lambda: [context.pk for context in management.take(vms, repository=None, actor="ops")]


@pytest.fixture(autouse=True)
def one_second(monkeypatch):
    """All of it happens within one second."""
    now = management.about_now()
    monkeypatch.setattr(management, "about_now", lambda: now)


def test_vms_of_one_name_taken_by_two_transactions_get_different_ids():
    at = factories.vcenter()
    vms = [factories.discovered_vm("web", at=at) for _ in range(3)]
    taken = at_once(*(taking(vm) for vm in vms))
    assert len({pk for (pk,) in taken}) == 3
    assert sorted(VMContext.objects.values_list("pk", flat=True)) == sorted(pk for (pk,) in taken)
    assert all(context.events.count() == 1 for context in VMContext.objects.all())


def test_one_vm_taken_by_two_transactions_gets_one_context():
    vm = factories.discovered_vm("web")
    first, second = at_once(taking(vm), taking(vm))
    assert first == second
    context = VMContext.objects.get()
    assert context.events.count() == 1
    assert context.disks.count() == 1


def test_the_same_vms_in_opposite_order_do_not_block_each_other():
    at = factories.vcenter()
    vms = [factories.discovered_vm(f"vm{number}", at=at) for number in range(4)]
    first, second = at_once(taking(*vms), taking(*reversed(vms)))
    assert first == second[::-1]
    assert VMContext.objects.count() == 4
