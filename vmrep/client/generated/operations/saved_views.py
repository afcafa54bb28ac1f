"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class SavedViewsFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    of_page: str | None
    ordering: Sequence[str] | None


class SavedViewsQuery(SavedViewsFilter, Page, total=False):
    pass


class SavedViews(Calls):
    def get_saved_views(self, **query: Unpack[SavedViewsQuery]) -> models.SavedViewPage:
        """One's own views of the lists."""
        return self._get("/api/v1/saved-views/", query=query)

    def all_saved_views(self, **query: Unpack[SavedViewsFilter]) -> Iterator[models.SavedView]:
        """All rows of `get_saved_views`, page by page."""
        return self._rows("/api/v1/saved-views/", query=query)

    def post_saved_views(
        self, body: models.NewView, *, idempotency_key: str | None = None
    ) -> models.SavedView:
        """Keep one."""
        return self._once("/api/v1/saved-views/", body=body, key=idempotency_key)

    def get_saved_view(self, view_id: int) -> models.SavedView:
        """One of one's own."""
        return self._get("/api/v1/saved-views/{}/", view_id)

    def patch_saved_view(
        self, view_id: int, body: models.ChangedView | None = None, *, if_match: str | None = None
    ) -> models.SavedView:
        """Another name, query, whether others see it, whether the page begins with it."""
        return self._send("PATCH", "/api/v1/saved-views/{}/", view_id, body=body, if_match=if_match)

    def delete_saved_view(self, view_id: int, *, if_match: str | None = None) -> None:
        """The view."""
        self._send("DELETE", "/api/v1/saved-views/{}/", view_id, if_match=if_match)
