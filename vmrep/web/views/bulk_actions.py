"""What is done with many VMs by a worker: asking for it, and how far it has come."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from contexts.clock import about_now
from contexts.errors import ContextError
from contexts.text import plural
from replication.filters import BulkItemFilter
from replication.models import BulkAction
from replication.selectors import bulk, health
from replication.selectors.health import CONTROL
from replication.services import bulk_acts
from replication.states import BulkKind, Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_files, live, versions
from vmrep.web.bulk_forms import BulkForm, Chosen, Selection, question, title
from vmrep.web.tables import BulkActionTable, BulkItemTable


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """`kind`, and which VMs (see `Selection`): asks. With `confirmed` (which says what VMs they
    were) it is done, unless they are others now: then it asks again."""
    access.require_any_bulk(request.user)
    given = request.POST if request.method == "POST" else request.GET
    here = reverse("virtual-machines")
    if given.get("kind") not in access.VERBS_OF_BULK:
        messages.error(request, "Nothing was done: choose what to do with the VMs.")
        return redirect(here)
    kind = BulkKind(given["kind"])
    confirmed = given.get("confirmed", "") if request.method == "POST" else ""
    form = BulkForm(given if confirmed else None, kind=kind, user=request.user)
    selection = Selection.read(given)
    try:
        rows = selection.rows(request.user, access.VERBS_OF_BULK[kind])
        vms = Chosen.of_rows(rows)
        if confirmed == vms.digest and form.is_valid():
            actor = request.user.get_username()
            action = bulk_acts.ask(kind, rows, form.arguments, trigger=Trigger.MANUAL, actor=actor)
            return redirect("bulk-action", action.pk)
    except ContextError as problem:
        messages.error(request, str(problem))
        return live.back(request, here)
    content = {
        "kind": str(kind),
        "question": question(kind, vms.total),
        "button": "btn-danger" if kind in (BulkKind.REMOVE, BulkKind.CANCEL) else "btn-primary",
        "vms": vms,
        "form": form,
        "has_changed": confirmed not in ("", vms.digest),
        "selection": selection,
        "next": given.get("next", ""),
        "back": live.way_back(request, here),
    }
    response = render(request, "bulk/ask.html", content)
    patch_cache_control(response, no_store=True)
    return response


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    """The last ones, of everybody."""
    version = versions.of_bulk()
    if live.is_current(request, version):
        return live.nothing_new()
    rows = access.bulk_actions(request.user)
    if csv_files.is_wanted(request):
        return csv_files.of_table("bulk-actions", BulkActionTable, rows, request)
    table = BulkActionTable.for_request(rows, request)
    return live.respond(request, "bulk/index.html", version, {"table": table})


@require_safe
def detail(request: HttpRequest, action_id: int) -> HttpResponseBase:
    version = versions.of_bulk()
    if live.is_current(request, version):
        return live.nothing_new()
    action = access.bulk_action(request.user, action_id, Verb.VIEW)
    filters = BulkItemFilter(request.GET, queryset=bulk.items_for_list(action))
    if csv_files.is_wanted(request):
        return csv_files.of_table("bulk-action", BulkItemTable, filters.qs, request)
    content: dict[str, Any] = {
        "action": action,
        "title": title(action),
        "filters": filters,
        "table": BulkItemTable.for_request(filters.qs, request),
        "missing": health.what_is_missing(CONTROL, about_now()) if action.is_active else "",
    }
    return live.respond(request, "bulk/detail.html", version, content)


@require_POST
def cancel(request: HttpRequest, action_id: int) -> HttpResponse:
    action: BulkAction = access.bulk_action(request.user, action_id, Verb.CANCEL)
    try:
        action = bulk_acts.cancel(action, actor=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        stay = "is left as it was" if action.left == 1 else "are left as they were"
        left = f"{action.left:,} of {plural(action.total, 'VM')} {stay}."
        messages.success(request, f"The bulk action was cancelled. {left}")
    return redirect("bulk-action", action_id)
