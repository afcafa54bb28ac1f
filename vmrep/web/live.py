"""One view, two faces: the whole page, or its partial `live` for htmx."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from vmrep.web.versions import Version


def htmx(request: HttpRequest) -> HtmxDetails:
    """What django-htmx's middleware knows about a request; false when htmx did not make it."""
    details: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    return details


def is_current(request: HttpRequest, version: Version) -> bool:
    """Whether a poll's browser already shows this version."""
    shown = request.headers.get("X-Vmrep-Version")
    return bool(htmx(request)) and shown is not None and version.is_shown_by(shown)


def nothing_new() -> HttpResponse:
    return HttpResponse(status=204)


def respond(
    request: HttpRequest, template: str, version: Version, content: dict[str, Any]
) -> HttpResponse:
    """The page that `template` makes; for htmx only the template's partial `live`."""
    only_live = htmx(request) and not htmx(request).history_restore_request
    name = f"{template}#live" if only_live else template
    response = render(request, name, {**content, "version": version})
    # The same address has two answers: a cache must never give one instead of the other.
    patch_vary_headers(response, ["HX-Request"])
    patch_cache_control(response, no_store=True)
    return response


def back(request: HttpRequest, default: str) -> HttpResponse:
    """Redirect to the page that a form was sent from (`next`), if it is one of ours."""
    return HttpResponseRedirect(way_back(request, default))


def way_back(request: HttpRequest, default: str) -> str:
    return way_back_of(request, request.POST.get("next", ""), default)


def way_back_of(request: HttpRequest, target: str, default: str) -> str:
    """`target`, if it is the address of a page of ours."""
    if not target.startswith("/"):  # anything else would be taken for the name of a view
        return default
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        return default
    return target
