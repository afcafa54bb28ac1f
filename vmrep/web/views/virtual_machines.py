"""The home page: the table of VMs under management, and the panel of the selected one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from contexts.errors import ContextError
from contexts.models import VMContext
from replication.filters import ProtectedVMFilter
from replication.selectors import home
from replication.selectors.contexts import contexts_for_list
from replication.services import start
from replication.states import Trigger
from vmrep.web import first_run, live, panel, totals, versions
from vmrep.web.tables import VMTable


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    version = versions.of_replication()
    if live.is_current(request, version):
        return live.nothing_new()
    now = timezone.now()
    filters = ProtectedVMFilter(request.GET, queryset=contexts_for_list(now))
    known = totals.current_totals(now)
    numbers = home.home_numbers(known.settled)
    context: dict[str, Any] = {
        "counts": known.counts,
        "filters": filters,
        "first_run": first_run.next_steps(known.counts, numbers),
        "home": numbers,
        "os_types": known.os_types,
        "table": VMTable.for_request(filters.qs, request),
        "panel": None,
    }
    if request.GET.get("vm"):
        context["panel"] = panel.describe(request.GET["vm"], request.GET, now)
    return live.respond(request, "virtual_machines/index.html", version, context)


@require_POST
def replicate(request: HttpRequest, context_id: str) -> HttpResponse:
    context = get_object_or_404(VMContext, pk=context_id)
    try:
        start.start(context, trigger=Trigger.MANUAL, requested_by=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"Replication of {context.vm_name} was started.")
    return live.back(request, reverse("virtual-machines"))
