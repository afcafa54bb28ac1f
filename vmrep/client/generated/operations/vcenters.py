"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class VcentersFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    login_refused: bool | None
    ordering: Sequence[str] | None
    search: str | None
    trust_mode: Sequence[str] | None


class VcentersQuery(VcentersFilter, Page, total=False):
    pass


class VcenterDiscoveryFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    folder: str | None
    gone: bool | None
    identity_changed: bool | None
    managed: bool | None
    ordering: Sequence[str] | None
    os: str | None
    power_state: Sequence[str] | None
    refused: bool | None
    search: str | None
    takable: bool | None


class VcenterDiscoveryQuery(VcenterDiscoveryFilter, Page, total=False):
    pass


class Vcenters(Calls):
    def get_vcenters(self, **query: Unpack[VcentersQuery]) -> models.VCenterPage:
        """All vCenters."""
        return self._get("/api/v1/vcenters/", query=query)

    def all_vcenters(self, **query: Unpack[VcentersFilter]) -> Iterator[models.VCenter]:
        """All rows of `get_vcenters`, page by page."""
        return self._rows("/api/v1/vcenters/", query=query)

    def post_vcenters(self, body: models.NewVCenter) -> models.VCenter:
        """Test the connection to a new vCenter, then add it."""
        return self._send("POST", "/api/v1/vcenters/", body=body)

    def get_vcenter(self, vcenter_id: int) -> models.VCenter:
        """One vCenter."""
        return self._get("/api/v1/vcenters/{}/", vcenter_id)

    def patch_vcenter(
        self,
        vcenter_id: int,
        body: models.ChangedVCenter | None = None,
        *,
        if_match: str | None = None,
    ) -> models.VCenter:
        """Test the connection with the changes, then save them."""
        return self._send("PATCH", "/api/v1/vcenters/{}/", vcenter_id, body=body, if_match=if_match)

    def delete_vcenter(self, vcenter_id: int, *, if_match: str | None = None) -> None:
        """Remove it, unless a VM's record depends on it."""
        self._send("DELETE", "/api/v1/vcenters/{}/", vcenter_id, if_match=if_match)

    def get_vcenter_discovery(
        self, vcenter_id: int, **query: Unpack[VcenterDiscoveryQuery]
    ) -> models.DiscoveredVMPage:
        """Its progress, and the VMs with their specs. Neither changes a VM nor takes one under
        management."""
        return self._get("/api/v1/vcenters/{}/discovery/", vcenter_id, query=query)

    def all_vcenter_discovery(
        self, vcenter_id: int, **query: Unpack[VcenterDiscoveryFilter]
    ) -> Iterator[models.DiscoveredVM]:
        """All rows of `get_vcenter_discovery`, page by page."""
        return self._rows("/api/v1/vcenters/{}/discovery/", vcenter_id, query=query)

    def post_vcenter_discovery(
        self, vcenter_id: int, *, idempotency_key: str | None = None
    ) -> models.DiscoveryAnswer:
        """Read the vCenter's VMs again."""
        return self._once("/api/v1/vcenters/{}/discovery/", vcenter_id, key=idempotency_key)
