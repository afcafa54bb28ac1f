"""Views of the lists under a name: what of an address is kept, by whom it is seen, and with which
one a page begins."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import django_filters
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse

from contexts import trail
from contexts.errors import ContextError
from contexts.filters import DiscoveredVMFilter, WithVCenters
from contexts.services.transactions import one_transaction
from contexts.trail import Kind
from replication.filters import EventFilter, JobFilter, OccurrenceFilter, ProtectedVMFilter
from vmrep import access
from vmrep.access import Verb
from vmrep.web.live import htmx
from vmrep.web.models import SavedView, ViewPage
from vmrep.web.tables import (
    PAGE_SIZES,
    DiscoveredVMTable,
    EventTable,
    JobTable,
    OccurrenceTable,
    Table,
    VMTable,
)

LONGEST_NAME = 80
LONGEST_QUERY = 4000
MOST = 100
"""Views of one user on one page."""


class ViewRefused(ContextError):
    """A view that cannot be kept as it is given."""

    code = "view_refused"


class ViewTaken(ViewRefused):
    """The user has another view of that name."""

    code = "view_taken"


class _Known(NamedTuple):
    """What a page reads from its address; `also`: besides filters, order, columns and page size."""

    filters: type[django_filters.FilterSet]
    table: type[Table]
    also: tuple[str, ...] = ()


_KNOWN = {
    ViewPage.VIRTUAL_MACHINES: _Known(ProtectedVMFilter, VMTable),
    ViewPage.DISCOVERY: _Known(DiscoveredVMFilter, DiscoveredVMTable, ("vcenter", "view")),
    ViewPage.JOBS: _Known(JobFilter, JobTable),
    ViewPage.EVENTS: _Known(EventFilter, EventTable),
    ViewPage.OCCURRENCES: _Known(OccurrenceFilter, OccurrenceTable),
}


def kept(page: ViewPage, query: str, user: access.User) -> str:
    """The query string without what the page does not know, in one order. Raises ViewRefused when
    a filter has a value that it does not take."""
    known, given, clean = _KNOWN[page], QueryDict(query), QueryDict(mutable=True)
    columns = known.table.base_columns
    for name in (*known.filters.base_filters, *known.also):
        clean.setlist(name, [value for value in given.getlist(name) if value])
    for name in ("sort", "columns"):
        asked = [value for value in given.getlist(name) if value.lstrip("-") in columns]
        clean.setlist(name, asked)
    size = str(given.get("page_size", ""))
    if size in map(str, PAGE_SIZES):
        clean["page_size"] = size
    _require_possible(known, clean, user)
    said = QueryDict(mutable=True)
    for name in sorted(clean):
        if clean.getlist(name):
            said.setlist(name, clean.getlist(name))
    text = said.urlencode()
    if len(text) > LONGEST_QUERY:
        raise ViewRefused("This view is too long to be kept. Use fewer filters.")
    return text


def _require_possible(known: _Known, query: QueryDict, user: access.User) -> None:
    more: dict[str, Any] = {}
    if issubclass(known.filters, WithVCenters):
        more["vcenters"] = access.vcenters(user)
    if issubclass(known.filters, ProtectedVMFilter):
        more["groups"] = access.groups(user)
    model: Any = known.filters.Meta.model
    nothing = access.rows(user, Verb.VIEW, model._default_manager.none())
    filters = known.filters(query, queryset=nothing, **more)
    if not filters.is_valid():
        field, (problem, *_) = next(iter(filters.errors.items()))
        raise ViewRefused(f"The filter {field} cannot be kept: {problem}")


@one_transaction
def save(user: Any, page: ViewPage, name: str, query: str, *, is_shared: bool) -> SavedView:
    """A view of this user under a name; one that has the name already becomes this one. Raises
    ViewRefused."""
    name, query = _named(name), kept(page, query, user)
    if user.saved_views.filter(page=page).exclude(name=name).count() >= MOST:
        raise ViewRefused(f"You have {MOST} views of this page. Remove some first.")
    view, is_new = user.saved_views.update_or_create(
        page=page, name=name, defaults={"query": query, "is_shared": is_shared}
    )
    _tell(trail.Verb.ADD if is_new else trail.Verb.CHANGE, view)
    saved: SavedView = view
    return saved


@one_transaction
def add(
    user: Any, page: ViewPage, name: str, query: str, *, is_shared: bool, is_default: bool
) -> SavedView:
    """As `save`, but a view that has the name already stays what it is. Raises ViewRefused,
    ViewTaken."""
    _require_free(user, page, _named(name))
    view = save(user, page, name, query, is_shared=is_shared)
    if is_default:
        _begin_with(user, view)
    return view


@one_transaction
def change(
    user: Any,
    view: SavedView,
    *,
    name: str,
    is_shared: bool,
    is_default: bool,
    query: str | None = None,
) -> None:
    """Raises ViewRefused, ViewTaken. A page begins with one view at most. `query`: None: as it
    is."""
    name = _named(name)
    _require_free(user, ViewPage(view.page), name, view)
    if query is not None:
        view.query = kept(ViewPage(view.page), query, user)
    view.name, view.is_shared, view.is_default = name, is_shared, False
    view.save()
    if is_default:
        _begin_with(user, view)
    _tell(trail.Verb.CHANGE, view)


def _begin_with(user: Any, view: SavedView) -> None:
    user.saved_views.filter(page=view.page, is_default=True).update(is_default=False)
    view.is_default = True
    view.save(update_fields=["is_default", "updated_at"])


def _require_free(user: Any, page: ViewPage, name: str, view: SavedView | None = None) -> None:
    others = user.saved_views.filter(page=page, name=name)
    if others.exclude(pk=view and view.pk).exists():
        raise ViewTaken(f"You have another view {name} of this page.")


@one_transaction
def remove(view: SavedView) -> None:
    _tell(trail.Verb.REMOVE, view)
    view.delete()


def _tell(verb: trail.Verb, view: SavedView) -> None:
    told = trail.values_of(view, "name", "page", "is_shared", "is_default")
    about = trail.subject(Kind.VIEW, view.pk, view.name)
    if verb == trail.Verb.REMOVE:
        trail.tell(verb, about, old=told)
    else:
        trail.tell(verb, about, new=told)


def _named(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ViewRefused(f"A view needs a name of 1 to {LONGEST_NAME} printable characters.")
    return name


class Entry(NamedTuple):
    """A view in a page's menu."""

    view: SavedView
    address: str
    is_current: bool
    is_mine: bool


def menu(user: Any, page: ViewPage, query: QueryDict) -> list[Entry]:
    """The user's own views of a page and those that others share. One query."""
    rows = access.saved_views(user).filter(page=page).select_related("user")
    here = _without_place(query.urlencode())
    return [
        Entry(
            view,
            f"{reverse(page)}?{view.query}" if view.query else f"{reverse(page)}?",
            _without_place(view.query) == here,
            view.user_id == user.pk,
        )
        for view in rows.order_by("name", "pk")[: 2 * MOST]
    ]


def _without_place(query: str) -> list[tuple[str, list[str]]]:
    """What a query string says, but for where on the page somebody is."""
    read = QueryDict(query)
    return sorted(
        (name, [each for each in read.getlist(name) if each])
        for name in read
        if name not in ("page", "vm", "tab") and any(read.getlist(name))
    )


def beginning(request: HttpRequest, page: ViewPage) -> HttpResponse | None:
    """Where a page without any parameter begins: with the user's default view. Whoever comes from
    the page itself has cleared its filters, and sees all."""
    if request.GET or htmx(request) or request.META.get("QUERY_STRING"):
        return None
    if urlsplit(request.headers.get("Referer", "")).path == request.path:
        return None
    view = access.default_view(request.user, page)
    return redirect(f"{request.path}?{view.query}") if view and view.query else None
