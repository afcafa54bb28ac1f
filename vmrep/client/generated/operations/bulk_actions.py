"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class BulkActionsFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    kind: Sequence[str] | None
    ordering: Sequence[str] | None
    search: str | None
    state: Sequence[str] | None


class BulkActionsQuery(BulkActionsFilter, Page, total=False):
    pass


class BulkActionVmsFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    search: str | None
    state: str | None


class BulkActionVmsQuery(BulkActionVmsFilter, Page, total=False):
    pass


class BulkActions(Calls):
    def get_bulk_actions(self, **query: Unpack[BulkActionsQuery]) -> models.BulkActionPage:
        """Bulk actions, newest first."""
        return self._get("/api/v1/bulk-actions/", query=query)

    def all_bulk_actions(self, **query: Unpack[BulkActionsFilter]) -> Iterator[models.BulkAction]:
        """All rows of `get_bulk_actions`, page by page."""
        return self._rows("/api/v1/bulk-actions/", query=query)

    def post_bulk_actions(
        self, body: models.NewBulkAction, *, idempotency_key: str | None = None
    ) -> models.BulkAction:
        """Ask for one."""
        return self._once("/api/v1/bulk-actions/", body=body, key=idempotency_key)

    def get_bulk_action(self, action_id: int) -> models.BulkAction:
        """How far one has come."""
        return self._get("/api/v1/bulk-actions/{}/", action_id)

    def post_bulk_action_cancel(self, action_id: int) -> models.BulkAction:
        """Leave the VMs as they are that it has not come to yet."""
        return self._send("POST", "/api/v1/bulk-actions/{}/cancel/", action_id)

    def get_bulk_action_vms(
        self, action_id: int, **query: Unpack[BulkActionVmsQuery]
    ) -> models.BulkItemPage:
        """Its VMs, with what became of each."""
        return self._get("/api/v1/bulk-actions/{}/vms/", action_id, query=query)

    def all_bulk_action_vms(
        self, action_id: int, **query: Unpack[BulkActionVmsFilter]
    ) -> Iterator[models.BulkItem]:
        """All rows of `get_bulk_action_vms`, page by page."""
        return self._rows("/api/v1/bulk-actions/{}/vms/", action_id, query=query)
