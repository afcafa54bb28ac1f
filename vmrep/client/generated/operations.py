"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from vmrep.client.generated import models
from vmrep.client.transport import Transport


class Operations:
    """What `vmrep.client.Client` can do; docs/api.md explains it."""

    transport: Transport

    def get_root(self) -> models.RootAnswer:
        """The API's addresses."""
        return cast("models.RootAnswer", self.transport.ask("GET", "/api/v1/"))

    def get_audit_events(
        self,
        *,
        actor: str | None = None,
        before: str | None = None,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        object: str | None = None,
        ordering: Sequence[str] | None = None,
        outcome: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        period: str | None = None,
        search: str | None = None,
        since: str | None = None,
        vcenter: Sequence[int] | None = None,
        verb: Sequence[str] | None = None,
        via: Sequence[str] | None = None,
        vm: str | None = None,
    ) -> models.AuditEventPage:
        """Who did what to which object, the newest first."""
        return cast(
            "models.AuditEventPage",
            self.transport.ask(
                "GET",
                "/api/v1/audit-events/",
                query={
                    "actor": actor,
                    "before": before,
                    "cursor": cursor,
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "object": object,
                    "ordering": ordering,
                    "outcome": self.transport.each(outcome),
                    "page": page,
                    "page_size": page_size,
                    "period": period,
                    "search": search,
                    "since": since,
                    "vcenter": self.transport.each(vcenter),
                    "verb": self.transport.each(verb),
                    "via": self.transport.each(via),
                    "vm": vm,
                },
            ),
        )

    def all_audit_events(
        self,
        *,
        actor: str | None = None,
        before: str | None = None,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        object: str | None = None,
        ordering: Sequence[str] | None = None,
        outcome: Sequence[str] | None = None,
        period: str | None = None,
        search: str | None = None,
        since: str | None = None,
        vcenter: Sequence[int] | None = None,
        verb: Sequence[str] | None = None,
        via: Sequence[str] | None = None,
        vm: str | None = None,
    ) -> Iterator[models.AuditEvent]:
        """Who did what to which object, the newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.AuditEvent]",
            self.transport.rows(
                "/api/v1/audit-events/",
                {
                    "actor": actor,
                    "before": before,
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "object": object,
                    "ordering": ordering,
                    "outcome": self.transport.each(outcome),
                    "period": period,
                    "search": search,
                    "since": since,
                    "vcenter": self.transport.each(vcenter),
                    "verb": self.transport.each(verb),
                    "via": self.transport.each(via),
                    "vm": vm,
                },
            ),
        )

    def get_bulk_actions(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        state: Sequence[str] | None = None,
    ) -> models.BulkActionPage:
        """Bulk actions, newest first."""
        return cast(
            "models.BulkActionPage",
            self.transport.ask(
                "GET",
                "/api/v1/bulk-actions/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                    "state": self.transport.each(state),
                },
            ),
        )

    def all_bulk_actions(
        self,
        *,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
        state: Sequence[str] | None = None,
    ) -> Iterator[models.BulkAction]:
        """Bulk actions, newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.BulkAction]",
            self.transport.rows(
                "/api/v1/bulk-actions/",
                {
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "search": search,
                    "state": self.transport.each(state),
                },
            ),
        )

    def post_bulk_actions(
        self, body: models.NewBulkAction, *, idempotency_key: str | None = None
    ) -> models.BulkAction:
        """Ask for one."""
        return cast(
            "models.BulkAction",
            self.transport.ask(
                "POST",
                "/api/v1/bulk-actions/",
                body=body,
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_bulk_action(self, action_id: int) -> models.BulkAction:
        """How far one has come."""
        return cast(
            "models.BulkAction",
            self.transport.ask(
                "GET",
                self.transport.address("/api/v1/bulk-actions/{action_id}/", action_id=action_id),
            ),
        )

    def post_bulk_action_cancel(self, action_id: int) -> models.BulkAction:
        """Leave the VMs as they are that it has not come to yet."""
        return cast(
            "models.BulkAction",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/bulk-actions/{action_id}/cancel/", action_id=action_id
                ),
            ),
        )

    def get_bulk_action_vms(
        self,
        action_id: int,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        state: str | None = None,
    ) -> models.BulkItemPage:
        """Its VMs, with what became of each."""
        return cast(
            "models.BulkItemPage",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/bulk-actions/{action_id}/vms/", action_id=action_id
                ),
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                    "state": state,
                },
            ),
        )

    def all_bulk_action_vms(
        self,
        action_id: int,
        *,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
        state: str | None = None,
    ) -> Iterator[models.BulkItem]:
        """Its VMs, with what became of each. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.BulkItem]",
            self.transport.rows(
                self.transport.address(
                    "/api/v1/bulk-actions/{action_id}/vms/", action_id=action_id
                ),
                {"fields": fields, "ordering": ordering, "search": search, "state": state},
            ),
        )

    def get_events(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        period: str | None = None,
        search: str | None = None,
        vcenter: Sequence[int] | None = None,
        vm: str | None = None,
    ) -> models.EventPage:
        """What happened to VMs, the newest first."""
        return cast(
            "models.EventPage",
            self.transport.ask(
                "GET",
                "/api/v1/events/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "period": period,
                    "search": search,
                    "vcenter": self.transport.each(vcenter),
                    "vm": vm,
                },
            ),
        )

    def all_events(
        self,
        *,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        period: str | None = None,
        search: str | None = None,
        vcenter: Sequence[int] | None = None,
        vm: str | None = None,
    ) -> Iterator[models.Event]:
        """What happened to VMs, the newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Event]",
            self.transport.rows(
                "/api/v1/events/",
                {
                    "fields": fields,
                    "ordering": ordering,
                    "period": period,
                    "search": search,
                    "vcenter": self.transport.each(vcenter),
                    "vm": vm,
                },
            ),
        )

    def get_groups(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        vm: str | None = None,
    ) -> models.GroupPage:
        """All groups, with their VMs and last runs."""
        return cast(
            "models.GroupPage",
            self.transport.ask(
                "GET",
                "/api/v1/groups/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                    "vm": vm,
                },
            ),
        )

    def all_groups(
        self,
        *,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
        vm: str | None = None,
    ) -> Iterator[models.Group]:
        """All groups, with their VMs and last runs. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Group]",
            self.transport.rows(
                "/api/v1/groups/",
                {"fields": fields, "ordering": ordering, "search": search, "vm": vm},
            ),
        )

    def post_groups(
        self, body: models.NewGroup, *, idempotency_key: str | None = None
    ) -> models.Group:
        """Make one."""
        return cast(
            "models.Group",
            self.transport.ask(
                "POST", "/api/v1/groups/", body=body, idempotency_key=idempotency_key, is_keyed=True
            ),
        )

    def get_group(self, group_id: int) -> models.Group:
        """One."""
        return cast(
            "models.Group",
            self.transport.ask(
                "GET", self.transport.address("/api/v1/groups/{group_id}/", group_id=group_id)
            ),
        )

    def patch_group(
        self, group_id: int, body: models.ChangedGroup | None = None, *, if_match: str | None = None
    ) -> models.Group:
        """Another name, other VMs, another order."""
        return cast(
            "models.Group",
            self.transport.ask(
                "PATCH",
                self.transport.address("/api/v1/groups/{group_id}/", group_id=group_id),
                body=body,
                if_match=if_match,
            ),
        )

    def delete_group(self, group_id: int, *, if_match: str | None = None) -> None:
        """The group, not its VMs."""
        self.transport.ask(
            "DELETE",
            self.transport.address("/api/v1/groups/{group_id}/", group_id=group_id),
            if_match=if_match,
        )

    def get_group_replications(
        self,
        group_id: int,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        period: str | None = None,
        state: Sequence[str] | None = None,
        trigger: Sequence[str] | None = None,
    ) -> models.RunPage:
        """The group's runs, the newest first."""
        return cast(
            "models.RunPage",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/groups/{group_id}/replications/", group_id=group_id
                ),
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "period": period,
                    "state": self.transport.each(state),
                    "trigger": self.transport.each(trigger),
                },
            ),
        )

    def all_group_replications(
        self,
        group_id: int,
        *,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        period: str | None = None,
        state: Sequence[str] | None = None,
        trigger: Sequence[str] | None = None,
    ) -> Iterator[models.Run]:
        """The group's runs, the newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Run]",
            self.transport.rows(
                self.transport.address(
                    "/api/v1/groups/{group_id}/replications/", group_id=group_id
                ),
                {
                    "fields": fields,
                    "ordering": ordering,
                    "period": period,
                    "state": self.transport.each(state),
                    "trigger": self.transport.each(trigger),
                },
            ),
        )

    def post_group_replications(
        self, group_id: int, *, idempotency_key: str | None = None
    ) -> models.Run:
        """Replicate its VMs together."""
        return cast(
            "models.Run",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/groups/{group_id}/replications/", group_id=group_id
                ),
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_health(self) -> models.HealthAnswer:
        """What lives, what is dead, and the newest incidents."""
        return cast("models.HealthAnswer", self.transport.ask("GET", "/api/v1/health/"))

    def get_integrity(self) -> models.IntegrityAnswer:
        """The last run with its findings, and the active run."""
        return cast("models.IntegrityAnswer", self.transport.ask("GET", "/api/v1/integrity/"))

    def post_integrity(self, *, idempotency_key: str | None = None) -> models.IntegrityRun:
        """Check now (202)."""
        return cast(
            "models.IntegrityRun",
            self.transport.ask(
                "POST", "/api/v1/integrity/", idempotency_key=idempotency_key, is_keyed=True
            ),
        )

    def get_limits(self) -> models.LimitsAnswer:
        """All limits, with how much is in use."""
        return cast("models.LimitsAnswer", self.transport.ask("GET", "/api/v1/limits/"))

    def put_limits(
        self, body: models.ChangedLimit, *, if_match: str | None = None
    ) -> models.LimitsAnswer:
        """Set one."""
        return cast(
            "models.LimitsAnswer",
            self.transport.ask("PUT", "/api/v1/limits/", body=body, if_match=if_match),
        )

    def get_bandwidth(self) -> models.BandwidthAnswer:
        """How fast disks are read, and may be."""
        return cast(
            "models.BandwidthAnswer", self.transport.ask("GET", "/api/v1/limits/bandwidth/")
        )

    def put_bandwidth(
        self, body: models.ChangedBandwidth, *, if_match: str | None = None
    ) -> models.BandwidthAnswer:
        """The windows of a vCenter, or of all others."""
        return cast(
            "models.BandwidthAnswer",
            self.transport.ask("PUT", "/api/v1/limits/bandwidth/", body=body, if_match=if_match),
        )

    def get_notification_channels(
        self,
        *,
        cursor: str | None = None,
        enabled: bool | None = None,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> models.ChannelPage:
        """All channels."""
        return cast(
            "models.ChannelPage",
            self.transport.ask(
                "GET",
                "/api/v1/notification-channels/",
                query={
                    "cursor": cursor,
                    "enabled": enabled,
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                },
            ),
        )

    def all_notification_channels(
        self,
        *,
        enabled: bool | None = None,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
    ) -> Iterator[models.Channel]:
        """All channels. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Channel]",
            self.transport.rows(
                "/api/v1/notification-channels/",
                {
                    "enabled": enabled,
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "search": search,
                },
            ),
        )

    def post_notification_channels(self, body: models.NewChannel) -> models.Channel:
        """Add one."""
        return cast(
            "models.Channel",
            self.transport.ask("POST", "/api/v1/notification-channels/", body=body),
        )

    def get_notification_channel(self, channel_id: int) -> models.Channel:
        """One channel."""
        return cast(
            "models.Channel",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/notification-channels/{channel_id}/", channel_id=channel_id
                ),
            ),
        )

    def patch_notification_channel(
        self,
        channel_id: int,
        body: models.ChangedChannel | None = None,
        *,
        if_match: str | None = None,
    ) -> models.Channel:
        """Change it."""
        return cast(
            "models.Channel",
            self.transport.ask(
                "PATCH",
                self.transport.address(
                    "/api/v1/notification-channels/{channel_id}/", channel_id=channel_id
                ),
                body=body,
                if_match=if_match,
            ),
        )

    def delete_notification_channel(self, channel_id: int, *, if_match: str | None = None) -> None:
        """Remove it, with its rules and the record of what went out by it."""
        self.transport.ask(
            "DELETE",
            self.transport.address(
                "/api/v1/notification-channels/{channel_id}/", channel_id=channel_id
            ),
            if_match=if_match,
        )

    def post_notification_channel_test(self, channel_id: int) -> models.Delivery:
        """Send something by it, and tell what the other side said."""
        return cast(
            "models.Delivery",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/notification-channels/{channel_id}/test/", channel_id=channel_id
                ),
            ),
        )

    def get_notification_deliveries(
        self,
        *,
        channel: int | None = None,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        purpose: str | None = None,
        state: str | None = None,
    ) -> models.DeliveryPage:
        """What went out, or waits to, the newest first."""
        return cast(
            "models.DeliveryPage",
            self.transport.ask(
                "GET",
                "/api/v1/notification-deliveries/",
                query={
                    "channel": channel,
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "purpose": purpose,
                    "state": state,
                },
            ),
        )

    def all_notification_deliveries(
        self,
        *,
        channel: int | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        purpose: str | None = None,
        state: str | None = None,
    ) -> Iterator[models.Delivery]:
        """What went out, or waits to, the newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Delivery]",
            self.transport.rows(
                "/api/v1/notification-deliveries/",
                {
                    "channel": channel,
                    "fields": fields,
                    "ordering": ordering,
                    "purpose": purpose,
                    "state": state,
                },
            ),
        )

    def get_notification_rules(
        self,
        *,
        channel: int | None = None,
        cursor: str | None = None,
        enabled: bool | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> models.RulePage:
        """All rules."""
        return cast(
            "models.RulePage",
            self.transport.ask(
                "GET",
                "/api/v1/notification-rules/",
                query={
                    "channel": channel,
                    "cursor": cursor,
                    "enabled": enabled,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                },
            ),
        )

    def all_notification_rules(
        self,
        *,
        channel: int | None = None,
        enabled: bool | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
    ) -> Iterator[models.Rule]:
        """All rules. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Rule]",
            self.transport.rows(
                "/api/v1/notification-rules/",
                {"channel": channel, "enabled": enabled, "fields": fields, "ordering": ordering},
            ),
        )

    def post_notification_rules(self, body: models.NewRule) -> models.Rule:
        """Add one."""
        return cast(
            "models.Rule", self.transport.ask("POST", "/api/v1/notification-rules/", body=body)
        )

    def get_notification_rule(self, rule_id: int) -> models.Rule:
        """One rule."""
        return cast(
            "models.Rule",
            self.transport.ask(
                "GET",
                self.transport.address("/api/v1/notification-rules/{rule_id}/", rule_id=rule_id),
            ),
        )

    def patch_notification_rule(
        self, rule_id: int, body: models.ChangedRule | None = None, *, if_match: str | None = None
    ) -> models.Rule:
        """Change it."""
        return cast(
            "models.Rule",
            self.transport.ask(
                "PATCH",
                self.transport.address("/api/v1/notification-rules/{rule_id}/", rule_id=rule_id),
                body=body,
                if_match=if_match,
            ),
        )

    def delete_notification_rule(self, rule_id: int, *, if_match: str | None = None) -> None:
        """Remove it."""
        self.transport.ask(
            "DELETE",
            self.transport.address("/api/v1/notification-rules/{rule_id}/", rule_id=rule_id),
            if_match=if_match,
        )

    def get_occurrences(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        period: str | None = None,
        search: str | None = None,
        vcenter: Sequence[int] | None = None,
        vm: str | None = None,
    ) -> models.OccurrencePage:
        """What people may have been told of, the newest first."""
        return cast(
            "models.OccurrencePage",
            self.transport.ask(
                "GET",
                "/api/v1/occurrences/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "period": period,
                    "search": search,
                    "vcenter": self.transport.each(vcenter),
                    "vm": vm,
                },
            ),
        )

    def all_occurrences(
        self,
        *,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        period: str | None = None,
        search: str | None = None,
        vcenter: Sequence[int] | None = None,
        vm: str | None = None,
    ) -> Iterator[models.Occurrence]:
        """What people may have been told of, the newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Occurrence]",
            self.transport.rows(
                "/api/v1/occurrences/",
                {
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "period": period,
                    "search": search,
                    "vcenter": self.transport.each(vcenter),
                    "vm": vm,
                },
            ),
        )

    def get_pauses(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        vcenter: Sequence[int] | None = None,
        vm: str | None = None,
    ) -> models.PausePage:
        """The pauses that hold now."""
        return cast(
            "models.PausePage",
            self.transport.ask(
                "GET",
                "/api/v1/pauses/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                    "vcenter": self.transport.each(vcenter),
                    "vm": vm,
                },
            ),
        )

    def all_pauses(
        self,
        *,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
        vcenter: Sequence[int] | None = None,
        vm: str | None = None,
    ) -> Iterator[models.Pause]:
        """The pauses that hold now. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Pause]",
            self.transport.rows(
                "/api/v1/pauses/",
                {
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "search": search,
                    "vcenter": self.transport.each(vcenter),
                    "vm": vm,
                },
            ),
        )

    def post_pauses(
        self, body: models.NewPause, *, idempotency_key: str | None = None
    ) -> models.Pause:
        """Pause something."""
        return cast(
            "models.Pause",
            self.transport.ask(
                "POST", "/api/v1/pauses/", body=body, idempotency_key=idempotency_key, is_keyed=True
            ),
        )

    def get_pause(self, pause_id: int) -> models.Pause:
        """One that holds now."""
        return cast(
            "models.Pause",
            self.transport.ask(
                "GET", self.transport.address("/api/v1/pauses/{pause_id}/", pause_id=pause_id)
            ),
        )

    def delete_pause(self, pause_id: int, *, if_match: str | None = None) -> None:
        """End it."""
        self.transport.ask(
            "DELETE",
            self.transport.address("/api/v1/pauses/{pause_id}/", pause_id=pause_id),
            if_match=if_match,
        )

    def get_policies(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        priority: Sequence[str] | None = None,
        rpo_kind: Sequence[str] | None = None,
        search: str | None = None,
    ) -> models.PolicyPage:
        """All policies, with where they apply."""
        return cast(
            "models.PolicyPage",
            self.transport.ask(
                "GET",
                "/api/v1/policies/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "priority": self.transport.each(priority),
                    "rpo_kind": self.transport.each(rpo_kind),
                    "search": search,
                },
            ),
        )

    def all_policies(
        self,
        *,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        priority: Sequence[str] | None = None,
        rpo_kind: Sequence[str] | None = None,
        search: str | None = None,
    ) -> Iterator[models.Policy]:
        """All policies, with where they apply. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Policy]",
            self.transport.rows(
                "/api/v1/policies/",
                {
                    "fields": fields,
                    "ordering": ordering,
                    "priority": self.transport.each(priority),
                    "rpo_kind": self.transport.each(rpo_kind),
                    "search": search,
                },
            ),
        )

    def post_policies(
        self, body: models.NewPolicy, *, idempotency_key: str | None = None
    ) -> models.Policy:
        """Add one, which applies nowhere yet."""
        return cast(
            "models.Policy",
            self.transport.ask(
                "POST",
                "/api/v1/policies/",
                body=body,
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_policy(self, policy_id: int) -> models.Policy:
        """One."""
        return cast(
            "models.Policy",
            self.transport.ask(
                "GET", self.transport.address("/api/v1/policies/{policy_id}/", policy_id=policy_id)
            ),
        )

    def patch_policy(
        self,
        policy_id: int,
        body: models.ChangedPolicy | None = None,
        *,
        if_match: str | None = None,
    ) -> models.ChangedPolicyAnswer:
        """Change what is given."""
        return cast(
            "models.ChangedPolicyAnswer",
            self.transport.ask(
                "PATCH",
                self.transport.address("/api/v1/policies/{policy_id}/", policy_id=policy_id),
                body=body,
                if_match=if_match,
            ),
        )

    def delete_policy(self, policy_id: int, *, if_match: str | None = None) -> None:
        """Remove one that applies nowhere."""
        self.transport.ask(
            "DELETE",
            self.transport.address("/api/v1/policies/{policy_id}/", policy_id=policy_id),
            if_match=if_match,
        )

    def post_policy_preview(
        self, policy_id: int, body: models.PossibleChange | None = None
    ) -> models.PolicyPreviewAnswer:
        """What one change of the policy would do. Nothing is written."""
        return cast(
            "models.PolicyPreviewAnswer",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/policies/{policy_id}/preview/", policy_id=policy_id
                ),
                body=body,
            ),
        )

    def get_policy_rpo_history(self, policy_id: int) -> models.PolicyHistoryAnswer:
        """Shares of time within the target of the VMs for which the policy says when."""
        return cast(
            "models.PolicyHistoryAnswer",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/policies/{policy_id}/rpo-history/", policy_id=policy_id
                ),
            ),
        )

    def post_policy_scopes(self, policy_id: int, body: models.NewScope) -> models.NewScopeAnswer:
        """Let the policy apply somewhere."""
        return cast(
            "models.NewScopeAnswer",
            self.transport.ask(
                "POST",
                self.transport.address("/api/v1/policies/{policy_id}/scopes/", policy_id=policy_id),
                body=body,
            ),
        )

    def get_policy_scope(self, policy_id: int, scope_id: int) -> models.Scope:
        """One place where the policy applies."""
        return cast(
            "models.Scope",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/policies/{policy_id}/scopes/{scope_id}/",
                    policy_id=policy_id,
                    scope_id=scope_id,
                ),
            ),
        )

    def delete_policy_scope(
        self, policy_id: int, scope_id: int, *, if_match: str | None = None
    ) -> models.OutcomeAnswer:
        """Let it no longer apply there."""
        return cast(
            "models.OutcomeAnswer",
            self.transport.ask(
                "DELETE",
                self.transport.address(
                    "/api/v1/policies/{policy_id}/scopes/{scope_id}/",
                    policy_id=policy_id,
                    scope_id=scope_id,
                ),
                if_match=if_match,
            ),
        )

    def get_recovery_point(self, point_id: int) -> models.RecoveryPoint:
        """The point."""
        return cast(
            "models.RecoveryPoint",
            self.transport.ask(
                "GET",
                self.transport.address("/api/v1/recovery-points/{point_id}/", point_id=point_id),
            ),
        )

    def patch_recovery_point(
        self, point_id: int, body: models.Comment, *, if_match: str | None = None
    ) -> models.RecoveryPoint:
        """Its comment."""
        return cast(
            "models.RecoveryPoint",
            self.transport.ask(
                "PATCH",
                self.transport.address("/api/v1/recovery-points/{point_id}/", point_id=point_id),
                body=body,
                if_match=if_match,
            ),
        )

    def delete_recovery_point(
        self, point_id: int, *, if_match: str | None = None
    ) -> models.RecoveryPoint:
        """A worker removes it."""
        return cast(
            "models.RecoveryPoint",
            self.transport.ask(
                "DELETE",
                self.transport.address("/api/v1/recovery-points/{point_id}/", point_id=point_id),
                if_match=if_match,
            ),
        )

    def post_recovery_point_pin(
        self, point_id: int, body: models.Pin | None = None
    ) -> models.RecoveryPoint:
        """Keep the point whatever the rules say."""
        return cast(
            "models.RecoveryPoint",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/recovery-points/{point_id}/pin/", point_id=point_id
                ),
                body=body,
            ),
        )

    def delete_recovery_point_pin(self, point_id: int) -> models.RecoveryPoint:
        """No longer."""
        return cast(
            "models.RecoveryPoint",
            self.transport.ask(
                "DELETE",
                self.transport.address(
                    "/api/v1/recovery-points/{point_id}/pin/", point_id=point_id
                ),
            ),
        )

    def get_replications(
        self,
        *,
        cursor: str | None = None,
        ended: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        period: str | None = None,
        search: str | None = None,
        status: Sequence[str] | None = None,
        trigger: Sequence[str] | None = None,
        type: Sequence[str] | None = None,
        vcenter: Sequence[int] | None = None,
        vm: str | None = None,
        warnings: bool | None = None,
    ) -> models.JobPage:
        """Jobs of all VMs, newest first."""
        return cast(
            "models.JobPage",
            self.transport.ask(
                "GET",
                "/api/v1/replications/",
                query={
                    "cursor": cursor,
                    "ended": ended,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "period": period,
                    "search": search,
                    "status": self.transport.each(status),
                    "trigger": self.transport.each(trigger),
                    "type": self.transport.each(type),
                    "vcenter": self.transport.each(vcenter),
                    "vm": vm,
                    "warnings": warnings,
                },
            ),
        )

    def all_replications(
        self,
        *,
        ended: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        period: str | None = None,
        search: str | None = None,
        status: Sequence[str] | None = None,
        trigger: Sequence[str] | None = None,
        type: Sequence[str] | None = None,
        vcenter: Sequence[int] | None = None,
        vm: str | None = None,
        warnings: bool | None = None,
    ) -> Iterator[models.Job]:
        """Jobs of all VMs, newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Job]",
            self.transport.rows(
                "/api/v1/replications/",
                {
                    "ended": ended,
                    "fields": fields,
                    "ordering": ordering,
                    "period": period,
                    "search": search,
                    "status": self.transport.each(status),
                    "trigger": self.transport.each(trigger),
                    "type": self.transport.each(type),
                    "vcenter": self.transport.each(vcenter),
                    "vm": vm,
                    "warnings": warnings,
                },
            ),
        )

    def post_replications(
        self, body: models.StartByIdentity | None = None, *, idempotency_key: str | None = None
    ) -> models.JobDetail:
        """Start one for a VM named by its identity; the VM is taken under management if it is not
        managed yet."""
        return cast(
            "models.JobDetail",
            self.transport.ask(
                "POST",
                "/api/v1/replications/",
                body=body,
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_replication(self, job_id: str) -> models.JobDetail:
        """A job with its steps and disks."""
        return cast(
            "models.JobDetail",
            self.transport.ask(
                "GET", self.transport.address("/api/v1/replications/{job_id}/", job_id=job_id)
            ),
        )

    def post_replication_cancel(self, job_id: str) -> models.JobDetail:
        """Cancel a job. A waiting job ends at once (200), a running one soon (202)."""
        return cast(
            "models.JobDetail",
            self.transport.ask(
                "POST",
                self.transport.address("/api/v1/replications/{job_id}/cancel/", job_id=job_id),
            ),
        )

    def post_replication_debug_bundle(self, job_id: str) -> bytes:
        """All that is known about a job, without secrets: a ZIP archive of JSON."""
        return cast(
            "bytes",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/replications/{job_id}/debug-bundle/", job_id=job_id
                ),
            ),
        )

    def get_replication_log(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        level: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> models.LogLinePage:
        """The lines of a job's log, oldest first. The log is bounded: the oldest lines of a very
        long log are dropped, and the log says so."""
        return cast(
            "models.LogLinePage",
            self.transport.ask(
                "GET",
                self.transport.address("/api/v1/replications/{job_id}/log/", job_id=job_id),
                query={
                    "attempt": attempt,
                    "cursor": cursor,
                    "fields": fields,
                    "level": self.transport.each(level),
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                },
            ),
        )

    def all_replication_log(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        fields: Sequence[str] | None = None,
        level: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
    ) -> Iterator[models.LogLine]:
        """The lines of a job's log, oldest first. The log is bounded: the oldest lines of a very
        long log are dropped, and the log says so. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.LogLine]",
            self.transport.rows(
                self.transport.address("/api/v1/replications/{job_id}/log/", job_id=job_id),
                {
                    "attempt": attempt,
                    "fields": fields,
                    "level": self.transport.each(level),
                    "ordering": ordering,
                    "search": search,
                },
            ),
        )

    def post_replication_retry(
        self, job_id: str, *, idempotency_key: str | None = None
    ) -> models.JobDetail:
        """Start a new job that does what this failed or cancelled one did not."""
        return cast(
            "models.JobDetail",
            self.transport.ask(
                "POST",
                self.transport.address("/api/v1/replications/{job_id}/retry/", job_id=job_id),
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_replication_steps(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        name: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        status: Sequence[str] | None = None,
    ) -> models.StepPage:
        """The steps of all of a job's attempts, oldest first."""
        return cast(
            "models.StepPage",
            self.transport.ask(
                "GET",
                self.transport.address("/api/v1/replications/{job_id}/steps/", job_id=job_id),
                query={
                    "attempt": attempt,
                    "cursor": cursor,
                    "fields": fields,
                    "name": self.transport.each(name),
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "status": self.transport.each(status),
                },
            ),
        )

    def all_replication_steps(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        fields: Sequence[str] | None = None,
        name: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        status: Sequence[str] | None = None,
    ) -> Iterator[models.Step]:
        """The steps of all of a job's attempts, oldest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Step]",
            self.transport.rows(
                self.transport.address("/api/v1/replications/{job_id}/steps/", job_id=job_id),
                {
                    "attempt": attempt,
                    "fields": fields,
                    "name": self.transport.each(name),
                    "ordering": ordering,
                    "status": self.transport.each(status),
                },
            ),
        )

    def get_replication_throughput(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> models.SamplePage:
        """The transfer's rate over time. The number of samples is bounded: the longer a job takes,
        the longer the time that each one covers."""
        return cast(
            "models.SamplePage",
            self.transport.ask(
                "GET",
                self.transport.address("/api/v1/replications/{job_id}/throughput/", job_id=job_id),
                query={
                    "attempt": attempt,
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                },
            ),
        )

    def all_replication_throughput(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
    ) -> Iterator[models.Sample]:
        """The transfer's rate over time. The number of samples is bounded: the longer a job takes,
        the longer the time that each one covers. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Sample]",
            self.transport.rows(
                self.transport.address("/api/v1/replications/{job_id}/throughput/", job_id=job_id),
                {"attempt": attempt, "fields": fields, "ordering": ordering},
            ),
        )

    def get_report(
        self, *, day: str | None = None, time_zone: str | None = None
    ) -> models.ReportAnswer:
        """Protection, breaches, volume and space of one day."""
        return cast(
            "models.ReportAnswer",
            self.transport.ask(
                "GET", "/api/v1/report/", query={"day": day, "time_zone": time_zone}
            ),
        )

    def get_repositories(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> models.RepositoryPage:
        """All repositories."""
        return cast(
            "models.RepositoryPage",
            self.transport.ask(
                "GET",
                "/api/v1/repositories/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                },
            ),
        )

    def all_repositories(
        self,
        *,
        fields: Sequence[str] | None = None,
        kind: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
    ) -> Iterator[models.Repository]:
        """All repositories. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Repository]",
            self.transport.rows(
                "/api/v1/repositories/",
                {
                    "fields": fields,
                    "kind": self.transport.each(kind),
                    "ordering": ordering,
                    "search": search,
                },
            ),
        )

    def post_repositories(self, body: models.NewRepository) -> models.RepositoryDetailAnswer:
        """What a folder is, and with that confirmed make it one."""
        return cast(
            "models.RepositoryDetailAnswer",
            self.transport.ask("POST", "/api/v1/repositories/", body=body),
        )

    def get_repository(self, repository_id: int) -> models.RepositoryDetailAnswer:
        """One repository."""
        return cast(
            "models.RepositoryDetailAnswer",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/repositories/{repository_id}/", repository_id=repository_id
                ),
            ),
        )

    def patch_repository(
        self,
        repository_id: int,
        body: models.ChangedRepository | None = None,
        *,
        if_match: str | None = None,
    ) -> models.RepositoryDetailAnswer:
        """Its name, its reserve."""
        return cast(
            "models.RepositoryDetailAnswer",
            self.transport.ask(
                "PATCH",
                self.transport.address(
                    "/api/v1/repositories/{repository_id}/", repository_id=repository_id
                ),
                body=body,
                if_match=if_match,
            ),
        )

    def delete_repository(self, repository_id: int, *, if_match: str | None = None) -> None:
        """Remove it, if nothing is kept there any more; its folder stays."""
        self.transport.ask(
            "DELETE",
            self.transport.address(
                "/api/v1/repositories/{repository_id}/", repository_id=repository_id
            ),
            if_match=if_match,
        )

    def get_repository_points(
        self,
        repository_id: int,
        *,
        cursor: str | None = None,
        damaged: bool | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        period: str | None = None,
        quiesced: bool | None = None,
        state: Sequence[str] | None = None,
        vm: str | None = None,
    ) -> models.RecoveryPointPage:
        """The recovery points that are there, newest first."""
        return cast(
            "models.RecoveryPointPage",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/repositories/{repository_id}/recovery-points/",
                    repository_id=repository_id,
                ),
                query={
                    "cursor": cursor,
                    "damaged": damaged,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "period": period,
                    "quiesced": quiesced,
                    "state": self.transport.each(state),
                    "vm": vm,
                },
            ),
        )

    def all_repository_points(
        self,
        repository_id: int,
        *,
        damaged: bool | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        period: str | None = None,
        quiesced: bool | None = None,
        state: Sequence[str] | None = None,
        vm: str | None = None,
    ) -> Iterator[models.RecoveryPoint]:
        """The recovery points that are there, newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.RecoveryPoint]",
            self.transport.rows(
                self.transport.address(
                    "/api/v1/repositories/{repository_id}/recovery-points/",
                    repository_id=repository_id,
                ),
                {
                    "damaged": damaged,
                    "fields": fields,
                    "ordering": ordering,
                    "period": period,
                    "quiesced": quiesced,
                    "state": self.transport.each(state),
                    "vm": vm,
                },
            ),
        )

    def get_repository_space(
        self,
        repository_id: int,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        period: str | None = None,
    ) -> models.RepositorySpacePage:
        """How full it was, hour by hour, newest first."""
        return cast(
            "models.RepositorySpacePage",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/repositories/{repository_id}/space/", repository_id=repository_id
                ),
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "period": period,
                },
            ),
        )

    def all_repository_space(
        self,
        repository_id: int,
        *,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        period: str | None = None,
    ) -> Iterator[models.RepositorySpace]:
        """How full it was, hour by hour, newest first. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.RepositorySpace]",
            self.transport.rows(
                self.transport.address(
                    "/api/v1/repositories/{repository_id}/space/", repository_id=repository_id
                ),
                {"fields": fields, "ordering": ordering, "period": period},
            ),
        )

    def get_repository_vms(
        self,
        repository_id: int,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        managed: bool | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> models.VMInRepositoryPage:
        """The VMs that are kept there, or left something there."""
        return cast(
            "models.VMInRepositoryPage",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/repositories/{repository_id}/vms/", repository_id=repository_id
                ),
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "managed": managed,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                },
            ),
        )

    def all_repository_vms(
        self,
        repository_id: int,
        *,
        fields: Sequence[str] | None = None,
        managed: bool | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
    ) -> Iterator[models.VMInRepository]:
        """The VMs that are kept there, or left something there. Reads the list whole, page by
        page."""
        return cast(
            "Iterator[models.VMInRepository]",
            self.transport.rows(
                self.transport.address(
                    "/api/v1/repositories/{repository_id}/vms/", repository_id=repository_id
                ),
                {"fields": fields, "managed": managed, "ordering": ordering, "search": search},
            ),
        )

    def get_saved_views(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        of_page: str | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> models.SavedViewPage:
        """One's own views of the lists."""
        return cast(
            "models.SavedViewPage",
            self.transport.ask(
                "GET",
                "/api/v1/saved-views/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "of_page": of_page,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                },
            ),
        )

    def all_saved_views(
        self,
        *,
        fields: Sequence[str] | None = None,
        of_page: str | None = None,
        ordering: Sequence[str] | None = None,
    ) -> Iterator[models.SavedView]:
        """One's own views of the lists. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.SavedView]",
            self.transport.rows(
                "/api/v1/saved-views/", {"fields": fields, "of_page": of_page, "ordering": ordering}
            ),
        )

    def post_saved_views(
        self, body: models.NewView, *, idempotency_key: str | None = None
    ) -> models.SavedView:
        """Keep one."""
        return cast(
            "models.SavedView",
            self.transport.ask(
                "POST",
                "/api/v1/saved-views/",
                body=body,
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_saved_view(self, view_id: int) -> models.SavedView:
        """One of one's own."""
        return cast(
            "models.SavedView",
            self.transport.ask(
                "GET", self.transport.address("/api/v1/saved-views/{view_id}/", view_id=view_id)
            ),
        )

    def patch_saved_view(
        self, view_id: int, body: models.ChangedView | None = None, *, if_match: str | None = None
    ) -> models.SavedView:
        """Another name, query, whether others see it, whether the page begins with it."""
        return cast(
            "models.SavedView",
            self.transport.ask(
                "PATCH",
                self.transport.address("/api/v1/saved-views/{view_id}/", view_id=view_id),
                body=body,
                if_match=if_match,
            ),
        )

    def delete_saved_view(self, view_id: int, *, if_match: str | None = None) -> None:
        """The view."""
        self.transport.ask(
            "DELETE",
            self.transport.address("/api/v1/saved-views/{view_id}/", view_id=view_id),
            if_match=if_match,
        )

    def post_token(self, body: models.Login) -> models.TokenAnswer:
        """A new token, for the user's name and password. Needs no login."""
        return cast("models.TokenAnswer", self.transport.ask("POST", "/api/v1/token/", body=body))

    def get_tokens(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> models.TokenPage:
        """The user's own tokens that have not expired."""
        return cast(
            "models.TokenPage",
            self.transport.ask(
                "GET",
                "/api/v1/tokens/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                },
            ),
        )

    def all_tokens(
        self, *, fields: Sequence[str] | None = None, ordering: Sequence[str] | None = None
    ) -> Iterator[models.Token]:
        """The user's own tokens that have not expired. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.Token]",
            self.transport.rows("/api/v1/tokens/", {"fields": fields, "ordering": ordering}),
        )

    def delete_token_detail(self, token_id: int) -> None:
        """Revoke it."""
        self.transport.ask(
            "DELETE", self.transport.address("/api/v1/tokens/{token_id}/", token_id=token_id)
        )

    def get_users(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        is_active: bool | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
    ) -> models.UserPage:
        """All users, with their roles and places."""
        return cast(
            "models.UserPage",
            self.transport.ask(
                "GET",
                "/api/v1/users/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "is_active": is_active,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                },
            ),
        )

    def all_users(
        self,
        *,
        fields: Sequence[str] | None = None,
        is_active: bool | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
    ) -> Iterator[models.User]:
        """All users, with their roles and places. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.User]",
            self.transport.rows(
                "/api/v1/users/",
                {"fields": fields, "is_active": is_active, "ordering": ordering, "search": search},
            ),
        )

    def post_users(
        self, body: models.NewUser, *, idempotency_key: str | None = None
    ) -> models.User:
        """Add one."""
        return cast(
            "models.User",
            self.transport.ask(
                "POST", "/api/v1/users/", body=body, idempotency_key=idempotency_key, is_keyed=True
            ),
        )

    def get_user(self, user_id: int) -> models.User:
        """One."""
        return cast(
            "models.User",
            self.transport.ask(
                "GET", self.transport.address("/api/v1/users/{user_id}/", user_id=user_id)
            ),
        )

    def patch_user(
        self, user_id: int, body: models.ChangedUser | None = None, *, if_match: str | None = None
    ) -> models.User:
        """Another role or password; whether the user may log in."""
        return cast(
            "models.User",
            self.transport.ask(
                "PATCH",
                self.transport.address("/api/v1/users/{user_id}/", user_id=user_id),
                body=body,
                if_match=if_match,
            ),
        )

    def post_user_scopes(
        self, user_id: int, body: models.NewPlace, *, idempotency_key: str | None = None
    ) -> models.User:
        """From now on the user sees what is there, and in the user's other places, alone."""
        return cast(
            "models.User",
            self.transport.ask(
                "POST",
                self.transport.address("/api/v1/users/{user_id}/scopes/", user_id=user_id),
                body=body,
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def delete_user_scopes(self, user_id: int) -> None:
        """The user sees all VMs."""
        self.transport.ask(
            "DELETE", self.transport.address("/api/v1/users/{user_id}/scopes/", user_id=user_id)
        )

    def delete_user_scope(self, user_id: int, place_id: int) -> None:
        """The user no longer sees that place; 409 for the last one."""
        self.transport.ask(
            "DELETE",
            self.transport.address(
                "/api/v1/users/{user_id}/scopes/{place_id}/", user_id=user_id, place_id=place_id
            ),
        )

    def get_vcenters(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        login_refused: bool | None = None,
        ordering: Sequence[str] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        trust_mode: Sequence[str] | None = None,
    ) -> models.VCenterPage:
        """All vCenters."""
        return cast(
            "models.VCenterPage",
            self.transport.ask(
                "GET",
                "/api/v1/vcenters/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "login_refused": login_refused,
                    "ordering": ordering,
                    "page": page,
                    "page_size": page_size,
                    "search": search,
                    "trust_mode": self.transport.each(trust_mode),
                },
            ),
        )

    def all_vcenters(
        self,
        *,
        fields: Sequence[str] | None = None,
        login_refused: bool | None = None,
        ordering: Sequence[str] | None = None,
        search: str | None = None,
        trust_mode: Sequence[str] | None = None,
    ) -> Iterator[models.VCenter]:
        """All vCenters. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.VCenter]",
            self.transport.rows(
                "/api/v1/vcenters/",
                {
                    "fields": fields,
                    "login_refused": login_refused,
                    "ordering": ordering,
                    "search": search,
                    "trust_mode": self.transport.each(trust_mode),
                },
            ),
        )

    def post_vcenters(self, body: models.NewVCenter) -> models.VCenter:
        """Test the connection to a new vCenter, then add it."""
        return cast("models.VCenter", self.transport.ask("POST", "/api/v1/vcenters/", body=body))

    def get_vcenter(self, vcenter_id: int) -> models.VCenter:
        """One vCenter."""
        return cast(
            "models.VCenter",
            self.transport.ask(
                "GET",
                self.transport.address("/api/v1/vcenters/{vcenter_id}/", vcenter_id=vcenter_id),
            ),
        )

    def patch_vcenter(
        self,
        vcenter_id: int,
        body: models.ChangedVCenter | None = None,
        *,
        if_match: str | None = None,
    ) -> models.VCenter:
        """Test the connection with the changes, then save them."""
        return cast(
            "models.VCenter",
            self.transport.ask(
                "PATCH",
                self.transport.address("/api/v1/vcenters/{vcenter_id}/", vcenter_id=vcenter_id),
                body=body,
                if_match=if_match,
            ),
        )

    def delete_vcenter(self, vcenter_id: int, *, if_match: str | None = None) -> None:
        """Remove it, unless a VM's record depends on it."""
        self.transport.ask(
            "DELETE",
            self.transport.address("/api/v1/vcenters/{vcenter_id}/", vcenter_id=vcenter_id),
            if_match=if_match,
        )

    def get_vcenter_discovery(
        self,
        vcenter_id: int,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        folder: str | None = None,
        gone: bool | None = None,
        identity_changed: bool | None = None,
        managed: bool | None = None,
        ordering: Sequence[str] | None = None,
        os: str | None = None,
        page: int | None = None,
        page_size: int | None = None,
        power_state: Sequence[str] | None = None,
        refused: bool | None = None,
        search: str | None = None,
        takable: bool | None = None,
    ) -> models.DiscoveredVMPage:
        """Its progress, and the VMs with their specs. Neither changes a VM nor takes one under
        management."""
        return cast(
            "models.DiscoveredVMPage",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/vcenters/{vcenter_id}/discovery/", vcenter_id=vcenter_id
                ),
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "folder": folder,
                    "gone": gone,
                    "identity_changed": identity_changed,
                    "managed": managed,
                    "ordering": ordering,
                    "os": os,
                    "page": page,
                    "page_size": page_size,
                    "power_state": self.transport.each(power_state),
                    "refused": refused,
                    "search": search,
                    "takable": takable,
                },
            ),
        )

    def all_vcenter_discovery(
        self,
        vcenter_id: int,
        *,
        fields: Sequence[str] | None = None,
        folder: str | None = None,
        gone: bool | None = None,
        identity_changed: bool | None = None,
        managed: bool | None = None,
        ordering: Sequence[str] | None = None,
        os: str | None = None,
        power_state: Sequence[str] | None = None,
        refused: bool | None = None,
        search: str | None = None,
        takable: bool | None = None,
    ) -> Iterator[models.DiscoveredVM]:
        """Its progress, and the VMs with their specs. Neither changes a VM nor takes one under
        management. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.DiscoveredVM]",
            self.transport.rows(
                self.transport.address(
                    "/api/v1/vcenters/{vcenter_id}/discovery/", vcenter_id=vcenter_id
                ),
                {
                    "fields": fields,
                    "folder": folder,
                    "gone": gone,
                    "identity_changed": identity_changed,
                    "managed": managed,
                    "ordering": ordering,
                    "os": os,
                    "power_state": self.transport.each(power_state),
                    "refused": refused,
                    "search": search,
                    "takable": takable,
                },
            ),
        )

    def post_vcenter_discovery(
        self, vcenter_id: int, *, idempotency_key: str | None = None
    ) -> models.DiscoveryAnswer:
        """Read the vCenter's VMs again."""
        return cast(
            "models.DiscoveryAnswer",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/vcenters/{vcenter_id}/discovery/", vcenter_id=vcenter_id
                ),
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_vm_contexts(
        self,
        *,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        group: Sequence[int] | None = None,
        last_job: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        os: str | None = None,
        page: int | None = None,
        page_size: int | None = None,
        power_state: Sequence[str] | None = None,
        protection: Sequence[str] | None = None,
        search: str | None = None,
        status: Sequence[str] | None = None,
        taken: str | None = None,
        vcenter: Sequence[int] | None = None,
        vcenter_host: str | None = None,
        vm_name: str | None = None,
        vmware_vm_id: str | None = None,
    ) -> models.ContextRowPage:
        """The VMs under management; with `vm_name`, `vcenter_host` or `vmware_vm_id`: one of them,
        in full."""
        return cast(
            "models.ContextRowPage",
            self.transport.ask(
                "GET",
                "/api/v1/vm-contexts/",
                query={
                    "cursor": cursor,
                    "fields": fields,
                    "group": self.transport.each(group),
                    "last_job": self.transport.each(last_job),
                    "ordering": ordering,
                    "os": os,
                    "page": page,
                    "page_size": page_size,
                    "power_state": self.transport.each(power_state),
                    "protection": self.transport.each(protection),
                    "search": search,
                    "status": self.transport.each(status),
                    "taken": taken,
                    "vcenter": self.transport.each(vcenter),
                    "vcenter_host": vcenter_host,
                    "vm_name": vm_name,
                    "vmware_vm_id": vmware_vm_id,
                },
            ),
        )

    def all_vm_contexts(
        self,
        *,
        fields: Sequence[str] | None = None,
        group: Sequence[int] | None = None,
        last_job: Sequence[str] | None = None,
        ordering: Sequence[str] | None = None,
        os: str | None = None,
        power_state: Sequence[str] | None = None,
        protection: Sequence[str] | None = None,
        search: str | None = None,
        status: Sequence[str] | None = None,
        taken: str | None = None,
        vcenter: Sequence[int] | None = None,
        vcenter_host: str | None = None,
        vm_name: str | None = None,
        vmware_vm_id: str | None = None,
    ) -> Iterator[models.ContextRow]:
        """The VMs under management; with `vm_name`, `vcenter_host` or `vmware_vm_id`: one of them,
        in full. Reads the list whole, page by page."""
        return cast(
            "Iterator[models.ContextRow]",
            self.transport.rows(
                "/api/v1/vm-contexts/",
                {
                    "fields": fields,
                    "group": self.transport.each(group),
                    "last_job": self.transport.each(last_job),
                    "ordering": ordering,
                    "os": os,
                    "power_state": self.transport.each(power_state),
                    "protection": self.transport.each(protection),
                    "search": search,
                    "status": self.transport.each(status),
                    "taken": taken,
                    "vcenter": self.transport.each(vcenter),
                    "vcenter_host": vcenter_host,
                    "vm_name": vm_name,
                    "vmware_vm_id": vmware_vm_id,
                },
            ),
        )

    def post_vm_contexts(
        self, body: models.Take | None = None, *, idempotency_key: str | None = None
    ) -> models.TakenAnswer:
        """Take discovered VMs under management."""
        return cast(
            "models.TakenAnswer",
            self.transport.ask(
                "POST",
                "/api/v1/vm-contexts/",
                body=body,
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_vm_context(self, context_id: str) -> models.EverythingAnswer:
        """Everything about one VM."""
        return cast(
            "models.EverythingAnswer",
            self.transport.ask(
                "GET",
                self.transport.address("/api/v1/vm-contexts/{context_id}/", context_id=context_id),
            ),
        )

    def patch_vm_context(
        self, context_id: str, body: models.ChangedContext, *, if_match: str | None = None
    ) -> models.EverythingAnswer:
        """What is wanted for it alone."""
        return cast(
            "models.EverythingAnswer",
            self.transport.ask(
                "PATCH",
                self.transport.address("/api/v1/vm-contexts/{context_id}/", context_id=context_id),
                body=body,
                if_match=if_match,
            ),
        )

    def post_vm_context_confirm_identity(
        self, context_id: str, body: models.SameVM | None = None
    ) -> models.EverythingAnswer:
        """It is the same VM: its history continues."""
        return cast(
            "models.EverythingAnswer",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/vm-contexts/{context_id}/confirm-identity/", context_id=context_id
                ),
                body=body,
            ),
        )

    def post_vm_context_delete_replica_data(
        self, context_id: str, body: models.ConfirmDeletion
    ) -> models.RemovedAnswer:
        """Delete all recovery points of the VM, managed or not; `confirm_vm_name` is its name."""
        return cast(
            "models.RemovedAnswer",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/vm-contexts/{context_id}/delete-replica-data/", context_id=context_id
                ),
                body=body,
            ),
        )

    def post_vm_context_move(self, context_id: str, body: models.Move) -> models.MovedAnswer:
        """The VM's next replication goes into another repository."""
        return cast(
            "models.MovedAnswer",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/vm-contexts/{context_id}/move/", context_id=context_id
                ),
                body=body,
            ),
        )

    def post_vm_context_reject_identity(
        self, context_id: str, body: models.SameVM | None = None
    ) -> models.EverythingAnswer:
        """It is another VM, which can be taken under management as a new one."""
        return cast(
            "models.EverythingAnswer",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/vm-contexts/{context_id}/reject-identity/", context_id=context_id
                ),
                body=body,
            ),
        )

    def post_vm_context_release(
        self, context_id: str, body: models.Release | None = None
    ) -> models.RemovedAnswer:
        """Remove the VM from management. Record, history and recovery points stay; with
        `delete_replica_data` and `confirm_vm_name` the recovery points go, too."""
        return cast(
            "models.RemovedAnswer",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/vm-contexts/{context_id}/release/", context_id=context_id
                ),
                body=body,
            ),
        )

    def post_vm_context_replications(
        self,
        context_id: str,
        body: models.Sync | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> models.JobDetail:
        """Start a replication of this VM."""
        return cast(
            "models.JobDetail",
            self.transport.ask(
                "POST",
                self.transport.address(
                    "/api/v1/vm-contexts/{context_id}/replications/", context_id=context_id
                ),
                body=body,
                idempotency_key=idempotency_key,
                is_keyed=True,
            ),
        )

    def get_vm_context_retention_preview(
        self,
        context_id: str,
        *,
        keep_daily: int | None = None,
        keep_hourly: int | None = None,
        keep_last: int | None = None,
        keep_monthly: int | None = None,
        keep_weekly: int | None = None,
        keep_yearly: int | None = None,
    ) -> models.RetentionPreviewAnswer:
        """Which of the VM's recovery points stay, and why, and which go in which order: by the
        rules in effect, or by those that are given. Nothing is changed."""
        return cast(
            "models.RetentionPreviewAnswer",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/vm-contexts/{context_id}/retention-preview/", context_id=context_id
                ),
                query={
                    "keep_daily": keep_daily,
                    "keep_hourly": keep_hourly,
                    "keep_last": keep_last,
                    "keep_monthly": keep_monthly,
                    "keep_weekly": keep_weekly,
                    "keep_yearly": keep_yearly,
                },
            ),
        )

    def get_vm_context_rpo_history(self, context_id: str) -> models.ContextHistoryAnswer:
        """Shares of time within the target, and the VM's spells of the last 30 days."""
        return cast(
            "models.ContextHistoryAnswer",
            self.transport.ask(
                "GET",
                self.transport.address(
                    "/api/v1/vm-contexts/{context_id}/rpo-history/", context_id=context_id
                ),
            ),
        )

    def get_vm_context_lookup(
        self,
        *,
        vcenter_host: str | None = None,
        vm_name: str | None = None,
        vmware_vm_id: str | None = None,
    ) -> models.EverythingAnswer:
        """The one VM that has this name at this vCenter, or this instance UUID, in full."""
        return cast(
            "models.EverythingAnswer",
            self.transport.ask(
                "GET",
                "/api/v1/vm-contexts/lookup/",
                query={
                    "vcenter_host": vcenter_host,
                    "vm_name": vm_name,
                    "vmware_vm_id": vmware_vm_id,
                },
            ),
        )
