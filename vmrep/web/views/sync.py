"""Comparing or copying all of a VM's disks, or resetting its change tracking: asks first, and says
what each costs."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from contexts.errors import ContextError
from replication.selectors.health import COPIES
from replication.selectors.replica import replica_of
from replication.services import start
from replication.states import SyncRequest, Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.web import outcome

OFFERED = (SyncRequest.CHECKSUM, SyncRequest.INITIAL, SyncRequest.RESET_CBT)


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, context_id: str) -> HttpResponse:
    vm = access.context(request.user, context_id, Verb.REPLICATE)
    if request.method != "POST":
        return render(request, "virtual_machines/sync.html", {"vm": vm, "replica": replica_of(vm)})
    wanted = request.POST.get("requested_sync")
    try:
        if wanted not in OFFERED:
            messages.error(request, "Choose whether to compare, copy or reset.")
            return redirect("vm-sync", context_id)
        start.start(
            vm,
            trigger=Trigger.MANUAL,
            requested_by=request.user.get_username(),
            requested_sync=SyncRequest(wanted),
        )
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        told = SyncRequest(wanted).label
        subject = f"Replication of {vm.vm_name}"
        outcome.requested(
            request,
            f"{subject} was started: {told.lower()}.",
            waiting=f"{subject} ({told.lower()}) is waiting",
            queue=COPIES,
        )
    return redirect(f"{reverse('virtual-machines')}?{urlencode({'vm': vm.pk})}")
