"""Views of the lists under a name: one's own."""

from __future__ import annotations

import django_filters
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Nothing, read
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.once import idempotent
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.saved_views import SavedViewSerializer
from vmrep.api.view_bodies import ChangedView, NewView
from vmrep.api.views.base import View, see
from vmrep.web import saved_views
from vmrep.web.models import SavedView, ViewPage


class SavedViewFilter(django_filters.FilterSet):
    """`page` is which page of the list is read."""

    of_page = django_filters.ChoiceFilter("page", choices=ViewPage.choices)


VIEWS = Listing(
    SavedViewSerializer,
    SavedViewFilter,
    by_name("id", "page", "name", "created_at", "updated_at"),
)


class SavedViewList(View):
    """GET: one's own views of the lists. POST: keep one."""

    @described_list(VIEWS)
    def get(self, request: Request) -> Response:
        return VIEWS.answer(request, access.own_views(request.user).order_by("name", "pk"))

    @described(SavedViewSerializer, status=201, body=NewView)
    @idempotent
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.ADD, SavedView)
        wanted = read(NewView, request.data)
        view = saved_views.add(
            request.user,
            ViewPage(wanted["page"]),
            wanted["name"],
            wanted.get("query", ""),
            is_shared=wanted.get("is_shared", False),
            is_default=wanted.get("is_default", False),
        )
        return see(
            request, SavedViewSerializer(view).data, status.HTTP_201_CREATED, "saved-view", view.pk
        )


class SavedViewDetail(View):
    """GET: one of one's own. PATCH: another name, query, whether others see it, whether the page
    begins with it. DELETE: the view."""

    editable = ("name", "query", "is_shared", "is_default")

    @described(SavedViewSerializer)
    def get(self, request: Request, view_id: int) -> Response:
        require_known(request, ())
        view = access.saved_view(request.user, view_id, Verb.VIEW)
        return Response(SavedViewSerializer(view).data)

    @described(SavedViewSerializer, body=ChangedView)
    @if_unchanged
    def patch(self, request: Request, view_id: int) -> Response:
        require_known(request, ())
        view = access.saved_view(request.user, view_id, Verb.CHANGE)
        wanted = read(ChangedView, request.data)
        saved_views.change(
            request.user,
            view,
            name=wanted.get("name", view.name),
            query=wanted.get("query", view.query),
            is_shared=wanted.get("is_shared", view.is_shared),
            is_default=wanted.get("is_default", view.is_default),
        )
        return Response(SavedViewSerializer(view).data)

    @described(status=204)
    @if_unchanged
    def delete(self, request: Request, view_id: int) -> Response:
        require_known(request, ())
        view = access.saved_view(request.user, view_id, Verb.REMOVE)
        read(Nothing, request.data)
        saved_views.remove(view)
        return Response(status=status.HTTP_204_NO_CONTENT)
