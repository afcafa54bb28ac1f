"""How many queries each list takes, recorded: the same with one row as with many.

A number that grows is either a query per row, which is a fault, or something new on the page; then
the new number is recorded here. Reading the facts of a version is not counted: a process does that
twice a second at most, whoever asks.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from contexts.models import VCenter, VMContext
from contexts.states import DiscoveryStatus
from replication.models import IntegrityRun, Occurrence, Pause
from replication.policies import services
from replication.policies.checking import Window
from replication.policies.services import Where
from replication.services import bulk_acts, occurrences
from replication.states import IntegrityOutcome, OccurrenceKind
from tests import factories
from vmrep.notifications import services as notifications
from vmrep.notifications.models import Delivery
from vmrep.web.models import SavedView

pytestmark = pytest.mark.usefixtures("facts_are_remembered")

MANY = 5

# Pages: two are the session and the user, one the integrity check's result, three
# who is alive. API: one is the token.
# Lists with views: one is those of the page; without any parameter one is the default.
# Lists of VMs: one is what holds for the protection of all of them.
RECORDED = {
    "/virtual-machines/": 24,
    "/virtual-machines/?sort=rpo&page=1": 23,
    "/virtual-machines/?search=vm&protection=protected": 23,
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
    "/events/": 12,
    "/events/told/": 12,
    "/audit/": 10,
    "/notifications/": 10,
    "/bulk/": 9,
    "/views/": 7,
    "/health/": 10,
    "/report/": 15,
    "/api/v1/events/": 4,
    "/api/v1/occurrences/": 4,
    "/api/v1/audit-events/": 4,
    "/api/v1/bulk-actions/": 4,
    "/api/v1/notification-channels/": 4,
    "/api/v1/notification-rules/": 5,
    "/api/v1/notification-deliveries/": 4,
    "/api/v1/health/": 5,
    "/api/v1/report/": 10,
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
    tell_of(context, number)
    SavedView.objects.create(user=User.objects.get(), page="jobs", name=f"view {number}")
    some = VMContext.objects.filter(pk=context.pk)
    bulk_acts.ask("replicate", some, bulk_acts.Arguments(), trigger="manual", actor="x")
    factories.vcenter()
    factories.repository()


def tell_of(context: VMContext, number: int) -> None:
    """Something that a channel of its own tells."""
    occurrences.tell(OccurrenceKind.BROKEN, f"{number}", what="It is.", context_id=context.pk)
    settings = {"url": "https://example.org/x", "secret": f"whsec_{'QUJD' * 11}"}
    channel = notifications.add_channel(f"hook {number}", "webhook", settings)
    notifications.save_rule(channel, ["broken", "job_failed"], vm_context=context)
    Delivery.objects.create(
        channel=channel,
        purpose="occurrence",
        occurrence=Occurrence.objects.get(key=f"broken:{number}"),
        next_attempt_at=timezone.now(),
    )


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

    def counted(*, for_the_first_time: bool = False) -> dict[str, int]:
        counts = {}
        for name in RECORDED:
            client = program if name.startswith("/api/") else web
            address = name.format(vcenter=vcenter.pk)
            if for_the_first_time:
                client.get(address)  # what a process remembers is not counted
            counts[name] = queries(lambda client=client, address=address: client.get(address))
        return counts

    add_a_vm(0)
    assert counted(for_the_first_time=True) == RECORDED
    for number in range(1, MANY):
        add_a_vm(number)
    assert counted() == RECORDED
