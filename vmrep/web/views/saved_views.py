"""The views that a user has kept."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_files, csv_settings, live, saved_views
from vmrep.web.models import SavedView, ViewPage
from vmrep.web.saved_views import ViewRefused


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    """One's own, by page."""
    views = access.own_views(request.user).order_by("page", "name")
    if csv_files.is_wanted(request):
        return csv_files.of_rows("views", csv_settings.VIEWS, views)
    return render(request, "views/index.html", {"views": views})


@require_POST
def save(request: HttpRequest, page: str) -> HttpResponse:
    """`name`, `query` (what the page's address says), `is_shared`."""
    access.require(request.user, Verb.ADD, SavedView)
    if page not in ViewPage.values:
        raise Http404("There are no views of this page.")
    try:
        view = saved_views.save(
            request.user,
            ViewPage(page),
            request.POST.get("name", ""),
            request.POST.get("query", ""),
            is_shared=bool(request.POST.get("is_shared")),
        )
    except ViewRefused as problem:
        messages.error(request, str(problem))
        return live.back(request, reverse(page))
    messages.success(request, f"The view {view} was saved.")
    return redirect(f"{reverse(page)}?{view.query}")


@require_POST
def change(request: HttpRequest, view_id: int) -> HttpResponse:
    view = access.saved_view(request.user, view_id, Verb.CHANGE)
    try:
        saved_views.change(
            request.user,
            view,
            name=request.POST.get("name", ""),
            is_shared=bool(request.POST.get("is_shared")),
            is_default=bool(request.POST.get("is_default")),
        )
    except ViewRefused as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"The view {view} was saved.")
    return redirect("saved-views")


@require_POST
def remove(request: HttpRequest, view_id: int) -> HttpResponse:
    view = access.saved_view(request.user, view_id, Verb.REMOVE)
    saved_views.remove(view)
    messages.success(request, f"The view {view} was removed.")
    return redirect("saved-views")
