"""The home page: the table of VMs under management, and the panel of the selected one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from contexts.clock import about_now
from contexts.errors import ContextError
from replication.filters import ProtectedVMFilter
from replication.models import Pause
from replication.selectors import home, pauses, protection
from replication.selectors.contexts import contexts_for_list, contexts_in_detail
from replication.selectors.health import COPIES
from replication.services import start
from replication.states import Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.trail.models import Event
from vmrep.web import csv_files, first_run, live, outcome, panel, saved_views, totals, versions
from vmrep.web.models import ViewPage
from vmrep.web.tables import VMTable


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    if begins := saved_views.beginning(request, ViewPage.VIRTUAL_MACHINES):
        return begins
    version = versions.of_replication()
    if live.is_current(request, version):
        return live.nothing_new()
    terms = protection.terms(about_now())
    rows = access.rows(request.user, Verb.VIEW, contexts_for_list(terms))
    filters = ProtectedVMFilter(
        request.GET,
        queryset=rows,
        vcenters=access.vcenters(request.user),
        groups=access.groups(request.user),
    )
    if csv_files.is_wanted(request):
        return csv_files.of_table("virtual-machines", VMTable, filters.qs, request)
    visible = access.visible(request.user)
    known = totals.current_totals(request.user, visible, terms)
    numbers = home.home_numbers(known.settled, visible)
    content: dict[str, Any] = {
        "counts": known.counts,
        "filters": filters,
        "first_run": first_run.next_steps(request.user, known.counts, numbers),
        "home": numbers,
        "os_types": known.os_types,
        "pauses": _wide_pauses(request.user),
        "table": VMTable.for_request(filters.qs, request),
        **_selected(request, terms),
    }
    _read_its_job_once(content)
    return live.respond(request, "virtual_machines/index.html", version, content)


def _wide_pauses(user: access.User) -> list[Pause]:
    return pauses.wide(access.pauses(user)) if access.may(user, Verb.VIEW, Pause) else []


def _read_its_job_once(content: dict[str, Any]) -> None:
    """Everywhere on the page, the selected VM's job is the one that its panel has read."""
    job = content["panel"] and content["panel"]["job"]
    if not job:
        return
    vms = list(content["table"].page.object_list.data)
    if content["first_run"] and content["first_run"].vm:
        vms.append(content["first_run"].vm)
    for vm in vms:
        if vm.current_job_id == job.pk:
            vm.current_job = job


def _selected(request: HttpRequest, terms: protection.Terms) -> dict[str, Any]:
    """The panel of the VM that the address names. A link to a VM that does not exist (any longer)
    still shows the list, and says so."""
    context_id = request.GET.get("vm")
    if not context_id:
        return {"panel": None}
    try:
        vm = access.context_among(contexts_in_detail(terms), request.user, context_id, Verb.VIEW)
    except access.NotFound:
        return {"panel": None, "missing_vm": context_id}
    sees = access.may(request.user, Verb.VIEW, Event)
    trail = access.audit_events(request.user) if sees else None
    shown = panel.describe(vm, request.GET, trail)
    return {"panel": {**shown, "policies": access.policies(request.user)}}


@require_POST
def replicate(request: HttpRequest, context_id: str) -> HttpResponse:
    context = access.context(request.user, context_id, Verb.REPLICATE)
    try:
        start.start(context, trigger=Trigger.MANUAL, requested_by=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        subject = f"Replication of {context.vm_name}"
        outcome.requested(
            request, f"{subject} was started.", waiting=f"{subject} is waiting", queue=COPIES
        )
    return live.back(request, reverse("virtual-machines"))
