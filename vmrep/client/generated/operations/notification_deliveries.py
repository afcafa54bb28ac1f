"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class NotificationDeliveriesFilter(TypedDict, total=False):
    channel: int | None
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    purpose: str | None
    state: str | None


class NotificationDeliveriesQuery(NotificationDeliveriesFilter, Page, total=False):
    pass


class NotificationDeliveries(Calls):
    def get_notification_deliveries(
        self, **query: Unpack[NotificationDeliveriesQuery]
    ) -> models.DeliveryPage:
        """What went out, or waits to, the newest first."""
        return self._get("/api/v1/notification-deliveries/", query=query)

    def all_notification_deliveries(
        self, **query: Unpack[NotificationDeliveriesFilter]
    ) -> Iterator[models.Delivery]:
        """All rows of `get_notification_deliveries`, page by page."""
        return self._rows("/api/v1/notification-deliveries/", query=query)
