"""Who is alive: a page, a part of every page that tells of it, and two addresses for machines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import require_safe

from contexts.clock import about_now
from replication.selectors.health import Health, health
from vmrep import access
from vmrep.readiness import OK, readiness
from vmrep.web import csv_cells, csv_files, csv_settings, live, versions
from vmrep.web.templatetags.health import shown

SHOWN_INCIDENTS = 50


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    state = health(about_now(), access.parts(request.user))
    version = versions.of_health(state)
    if live.is_current(request, version):
        return live.nothing_new()
    incidents = access.incidents(request.user)
    match csv_files.wanted(request):
        case "processes":
            written = csv_files.lines(csv_settings.PROCESSES, state.processes)
            return csv_files.answer("processes", written)
        case "needed":
            return csv_files.answer("needed", csv_files.lines(csv_settings.NEEDED, _needed(state)))
        case str():
            return csv_files.of_rows("incidents", csv_cells.INCIDENTS, incidents)
    content = {"health": state, "incidents": list(incidents[:SHOWN_INCIDENTS])}
    return live.respond(request, "health/index.html", version, content)


def _needed(state: Health) -> Iterator[tuple[str, str, datetime | None, str]]:
    """What vmrep needs besides its processes: name, state, last answer, what is wrong."""
    now = about_now()
    yield "Database", "answering", now, ""
    yield "Redis", *(("away", state.redis_at) if state.redis else ("answering", now)), state.redis
    yield "The tick", "alive" if state.tick_is_alive else "dead", state.tick_at, ""
    for vcenter in state.vcenters:
        yield f"vCenter {vcenter.name}", vcenter.state, vcenter.reached_at, vcenter.problem
    for each in state.repositories:
        what = each.problem or each.short
        yield f"Repository {each.name}", each.shown_state, each.reached_at, what


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """What every page polls beside its own content: banner and marks."""
    state = health(about_now(), access.parts(request.user))
    version = versions.of_status(state)
    if live.is_current(request, version):
        return live.nothing_new()
    response = render(request, "partials/status.html", {"polled": True, "state": shown(state)})
    patch_cache_control(response, no_store=True)
    return response


@method_decorator(login_not_required, name="dispatch")
class Alive(View):
    """For whoever restarts a web server that hangs: this process answers. No database is asked."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok", content_type="text/plain")


@method_decorator(login_not_required, name="dispatch")
class Ready(View):
    """For a load balancer: whether pages can be served. One word for each part, and no details,
    since anybody may ask."""

    def get(self, request: HttpRequest) -> HttpResponse:
        found = readiness()
        is_ready = set(found.values()) == {OK}
        response = JsonResponse(found, status=200 if is_ready else 503)
        patch_cache_control(response, no_store=True)
        return response
