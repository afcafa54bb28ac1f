"""How many queries each list takes, recorded: the same with one row as with many.

A number that grows is either a query per row, which is a fault, or something new on the page; then
the new number is recorded here. Reading the facts of a version is not counted: a process does that
twice a second at most, whoever asks.
"""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from contexts.models import VCenter
from contexts.states import DiscoveryStatus
from replication.models import IntegrityRun, Pause
from replication.policies import services
from replication.policies.checking import Window
from replication.policies.services import Where
from replication.states import IntegrityOutcome
from tests import factories

pytestmark = pytest.mark.usefixtures("facts_are_remembered")

MANY = 12

# Pages: two are the session and the user, one the integrity check's result, three
# who is alive. API: one is the token.
# Lists with views: one is those of the page; without any parameter one is the default.
# Lists of VMs: one is what holds for the protection of all of them.
RECORDED = {
    "/virtual-machines/": 23,
    "/virtual-machines/?sort=rpo&page=1": 22,
    "/virtual-machines/?search=vm&protection=protected": 22,
    "/virtual-machines/removed/": 7,
    "/jobs/": 12,
    "/jobs/?status=completed&search=vm": 11,
    "/discovery/?vcenter={vcenter}": 17,
    "/vcenters/": 7,
    "/repositories/": 7,
    "/integrity/": 8,
    "/limits/": 15,
    "/policies/": 9,
    "/pauses/": 9,
    "/groups/": 13,
    "/api/v1/vm-contexts/": 5,
    "/api/v1/vm-contexts/?ordering=-capacity_bytes&protection=protected": 5,
    "/api/v1/replications/": 4,
    "/api/v1/limits/": 7,
    "/api/v1/limits/bandwidth/": 4,
    "/api/v1/repositories/": 4,
    "/api/v1/vcenters/": 4,
    "/api/v1/policies/": 6,
    "/api/v1/pauses/": 4,
    "/api/v1/groups/": 10,
    "/api/v1/vcenters/{vcenter}/discovery/": 6,
}


def add_a_vm(number: int) -> None:
    """Of another vCenter and repository, with all that a row can show."""
    context = factories.context(f"vm-{number}", at=VCenter.objects.order_by("pk").first())
    factories.completed_job(context)
    factories.group_run(factories.group(f"group {number}", context), 0.0)
    factories.running_job(context)
    policy = services.add(f"policy {number}", services.target(3600), [Window(1, 0, 60)], actor="x")
    services.assign(policy, Where("vm", vm_context=context), actor="x")
    Pause.objects.create(kind="vm", vm_context=context, paused_by="x")
    factories.vcenter()
    factories.repository()


def test_the_lists_take_as_many_queries_as_recorded_with_one_row_and_with_many(web, user, queries):
    vcenter = factories.vcenter()
    factories.discovery(vcenter, DiscoveryStatus.COMPLETED)
    IntegrityRun.objects.create(
        requested_by="x",
        outcome=IntegrityOutcome.OK,
        started_at=timezone.now(),
        completed_at=timezone.now(),
    )
    program = Client(headers={"Authorization": f"Token {factories.token(user)}"})

    def counted() -> dict[str, int]:
        counts = {}
        for name in RECORDED:
            client = program if name.startswith("/api/") else web
            address = name.format(vcenter=vcenter.pk)
            client.get(address)
            counts[name] = queries(lambda client=client, address=address: client.get(address))
        return counts

    add_a_vm(0)
    assert counted() == RECORDED
    for number in range(1, MANY):
        add_a_vm(number)
    assert counted() == RECORDED
