"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class GroupsFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    search: str | None
    vm: str | None


class GroupsQuery(GroupsFilter, Page, total=False):
    pass


class GroupReplicationsFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    period: str | None
    state: Sequence[str] | None
    trigger: Sequence[str] | None


class GroupReplicationsQuery(GroupReplicationsFilter, Page, total=False):
    pass


class Groups(Calls):
    def get_groups(self, **query: Unpack[GroupsQuery]) -> models.GroupPage:
        """All groups, with their VMs and last runs."""
        return self._get("/api/v1/groups/", query=query)

    def all_groups(self, **query: Unpack[GroupsFilter]) -> Iterator[models.Group]:
        """All rows of `get_groups`, page by page."""
        return self._rows("/api/v1/groups/", query=query)

    def post_groups(
        self, body: models.NewGroup, *, idempotency_key: str | None = None
    ) -> models.Group:
        """Make one."""
        return self._once("/api/v1/groups/", body=body, key=idempotency_key)

    def get_group(self, group_id: int) -> models.Group:
        """One."""
        return self._get("/api/v1/groups/{}/", group_id)

    def patch_group(
        self, group_id: int, body: models.ChangedGroup | None = None, *, if_match: str | None = None
    ) -> models.Group:
        """Another name, other VMs, another order."""
        return self._send("PATCH", "/api/v1/groups/{}/", group_id, body=body, if_match=if_match)

    def delete_group(self, group_id: int, *, if_match: str | None = None) -> None:
        """The group, not its VMs."""
        self._send("DELETE", "/api/v1/groups/{}/", group_id, if_match=if_match)

    def get_group_replications(
        self, group_id: int, **query: Unpack[GroupReplicationsQuery]
    ) -> models.RunPage:
        """The group's runs, the newest first."""
        return self._get("/api/v1/groups/{}/replications/", group_id, query=query)

    def all_group_replications(
        self, group_id: int, **query: Unpack[GroupReplicationsFilter]
    ) -> Iterator[models.Run]:
        """All rows of `get_group_replications`, page by page."""
        return self._rows("/api/v1/groups/{}/replications/", group_id, query=query)

    def post_group_replications(
        self, group_id: int, *, idempotency_key: str | None = None
    ) -> models.Run:
        """Replicate its VMs together."""
        return self._once("/api/v1/groups/{}/replications/", group_id, key=idempotency_key)
