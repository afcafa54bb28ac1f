"""How much there may be at once, and how fast disks may be read, with what is in use now."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from contexts.clock import about_now
from replication.errors import LimitRefused
from replication.models import BandwidthWindow, Limit
from replication.selectors import limits as selector
from replication.selectors import usage
from replication.selectors.limits import Resource
from replication.selectors.usage import Use
from replication.services import bandwidth, limits
from replication.states import LimitKind
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_cells, csv_files, csv_settings, live, versions
from vmrep.web.limit_forms import LimitForm, WindowForm

NAMED = {
    LimitKind.HOST_SESSIONS: "Set a limit for another host…",
    LimitKind.DATASTORE_SNAPSHOTS: "Set a limit for another datastore…",
}


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    seen = access.limited(request.user)
    uses, reading = usage.uses(seen), usage.reading(seen, about_now())
    match csv_files.wanted(request):
        case "bandwidth":
            written = csv_files.lines(csv_settings.BANDWIDTH, reading)
            return csv_files.answer("bandwidth", written)
        case str():
            return csv_files.answer("limits", csv_files.lines(csv_cells.LIMITS, uses))
    version = versions.of_limits(uses, reading)
    if live.is_current(request, version):
        return live.nothing_new()
    kinds = [
        (kind, [use for use in uses if use.kind == kind], NAMED.get(kind)) for kind in LimitKind
    ]
    return live.respond(request, "limits/index.html", version, {"kinds": kinds, "reading": reading})


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest) -> HttpResponse:
    """One limit: of the `kind` and `resource` in the address; without a resource that is listed,
    the form asks for it."""
    access.require(request.user, Verb.LIMIT, Limit)
    seen = access.limited(request.user)
    kind = _kind(request)
    asks = "other" in request.GET and kind in NAMED
    uses = [use for use in usage.uses(seen) if use.kind == kind]
    use = None if asks else _listed(uses, request.GET.get("resource", ""))
    usual = selector.default(kind) if use and not use.resource else uses[0].limit
    choices = usage.datastores(seen.contexts) if asks else []
    form = LimitForm(
        request.POST or None,
        kind=kind,
        use=use,
        usual=usual,
        choices=choices,
        reread=(lambda: {"limit": selector.own(Resource(kind, use.resource))}) if use else None,
    )
    if form.is_valid():
        key = form.cleaned_data["resource"] if use is None else use.resource
        value, actor = form.cleaned_data["limit"], request.user.get_username()
        try:
            form.saved(lambda: limits.set_limit(Resource(kind, key), value, actor=actor))
        except LimitRefused as problem:
            form.add_error("limit" if use else "resource", str(problem))
        if form.is_valid():
            messages.success(request, f"{kind.label}: the limit is {value or usual} now.")
            return redirect("limits")
    content = {"form": form, "kind": kind, "use": use}
    return render(request, "limits/change.html", content, status=form.status)


def _kind(request: HttpRequest) -> LimitKind:
    try:
        return LimitKind(request.GET.get("kind", ""))
    except ValueError:
        raise Http404("There is no such limit.") from None


def _listed(uses: list[Use], key: str) -> Use:
    for use in uses:
        if use.resource == key:
            return use
    raise Http404("There is no such limit.")


@require_http_methods(["GET", "HEAD", "POST"])
def add_window(request: HttpRequest) -> HttpResponse:
    access.require(request.user, Verb.LIMIT, BandwidthWindow)
    initial = {"vcenter": request.GET.get("vcenter")}
    vcenters = access.vcenters(request.user)
    form = WindowForm(request.POST or None, vcenters=vcenters, initial=initial)
    if form.is_valid():
        vcenter = form.cleaned_data["vcenter"]
        try:
            bandwidth.add_window(
                vcenter.pk if vcenter else None, form.window(), actor=request.user.get_username()
            )
        except LimitRefused as problem:
            form.add_error(None, str(problem))
        else:
            messages.success(request, "The bandwidth is limited. Running jobs obey at once.")
            return redirect("limits")
    return render(request, "limits/window.html", {"form": form})


@require_POST
def remove_window(request: HttpRequest, window_id: int) -> HttpResponse:
    window = access.bandwidth_window(request.user, window_id, Verb.LIMIT)
    bandwidth.remove_window(window, actor=request.user.get_username())
    messages.success(request, "The limit of bandwidth is removed.")
    return redirect("limits")
