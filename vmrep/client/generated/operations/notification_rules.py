"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class NotificationRulesFilter(TypedDict, total=False):
    channel: int | None
    enabled: bool | None
    fields: Sequence[str] | None
    ordering: Sequence[str] | None


class NotificationRulesQuery(NotificationRulesFilter, Page, total=False):
    pass


class NotificationRules(Calls):
    def get_notification_rules(self, **query: Unpack[NotificationRulesQuery]) -> models.RulePage:
        """All rules."""
        return self._get("/api/v1/notification-rules/", query=query)

    def all_notification_rules(
        self, **query: Unpack[NotificationRulesFilter]
    ) -> Iterator[models.Rule]:
        """All rows of `get_notification_rules`, page by page."""
        return self._rows("/api/v1/notification-rules/", query=query)

    def post_notification_rules(self, body: models.NewRule) -> models.Rule:
        """Add one."""
        return self._send("POST", "/api/v1/notification-rules/", body=body)

    def get_notification_rule(self, rule_id: int) -> models.Rule:
        """One rule."""
        return self._get("/api/v1/notification-rules/{}/", rule_id)

    def patch_notification_rule(
        self, rule_id: int, body: models.ChangedRule | None = None, *, if_match: str | None = None
    ) -> models.Rule:
        """Change it."""
        return self._send(
            "PATCH", "/api/v1/notification-rules/{}/", rule_id, body=body, if_match=if_match
        )

    def delete_notification_rule(self, rule_id: int, *, if_match: str | None = None) -> None:
        """Remove it."""
        self._send("DELETE", "/api/v1/notification-rules/{}/", rule_id, if_match=if_match)
