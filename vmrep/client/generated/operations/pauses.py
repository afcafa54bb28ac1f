"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class PausesFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    kind: Sequence[str] | None
    ordering: Sequence[str] | None
    search: str | None
    vcenter: Sequence[int] | None
    vm: str | None


class PausesQuery(PausesFilter, Page, total=False):
    pass


class Pauses(Calls):
    def get_pauses(self, **query: Unpack[PausesQuery]) -> models.PausePage:
        """The pauses that hold now."""
        return self._get("/api/v1/pauses/", query=query)

    def all_pauses(self, **query: Unpack[PausesFilter]) -> Iterator[models.Pause]:
        """All rows of `get_pauses`, page by page."""
        return self._rows("/api/v1/pauses/", query=query)

    def post_pauses(
        self, body: models.NewPause, *, idempotency_key: str | None = None
    ) -> models.Pause:
        """Pause something."""
        return self._once("/api/v1/pauses/", body=body, key=idempotency_key)

    def get_pause(self, pause_id: int) -> models.Pause:
        """One that holds now."""
        return self._get("/api/v1/pauses/{}/", pause_id)

    def delete_pause(self, pause_id: int, *, if_match: str | None = None) -> None:
        """End it."""
        self._send("DELETE", "/api/v1/pauses/{}/", pause_id, if_match=if_match)
