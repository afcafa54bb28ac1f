"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class NotificationChannelsFilter(TypedDict, total=False):
    enabled: bool | None
    fields: Sequence[str] | None
    kind: Sequence[str] | None
    ordering: Sequence[str] | None
    search: str | None


class NotificationChannelsQuery(NotificationChannelsFilter, Page, total=False):
    pass


class NotificationChannels(Calls):
    def get_notification_channels(
        self, **query: Unpack[NotificationChannelsQuery]
    ) -> models.ChannelPage:
        """All channels."""
        return self._get("/api/v1/notification-channels/", query=query)

    def all_notification_channels(
        self, **query: Unpack[NotificationChannelsFilter]
    ) -> Iterator[models.Channel]:
        """All rows of `get_notification_channels`, page by page."""
        return self._rows("/api/v1/notification-channels/", query=query)

    def post_notification_channels(self, body: models.NewChannel) -> models.Channel:
        """Add one."""
        return self._send("POST", "/api/v1/notification-channels/", body=body)

    def get_notification_channel(self, channel_id: int) -> models.Channel:
        """One channel."""
        return self._get("/api/v1/notification-channels/{}/", channel_id)

    def patch_notification_channel(
        self,
        channel_id: int,
        body: models.ChangedChannel | None = None,
        *,
        if_match: str | None = None,
    ) -> models.Channel:
        """Change it."""
        return self._send(
            "PATCH", "/api/v1/notification-channels/{}/", channel_id, body=body, if_match=if_match
        )

    def delete_notification_channel(self, channel_id: int, *, if_match: str | None = None) -> None:
        """Remove it, with its rules and the record of what went out by it."""
        self._send("DELETE", "/api/v1/notification-channels/{}/", channel_id, if_match=if_match)

    def post_notification_channel_test(self, channel_id: int) -> models.Delivery:
        """Send something by it, and tell what the other side said."""
        return self._send("POST", "/api/v1/notification-channels/{}/test/", channel_id)
