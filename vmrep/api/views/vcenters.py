"""vCenters, and what was discovered in them."""

from __future__ import annotations

from functools import partial
from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from contexts import selectors as context_selectors
from contexts.filters import DiscoveredVMFilter, VCenterFilter
from contexts.models import VCenter
from contexts.services import discovery, vcenters
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import ChangedVCenter, NewVCenter, Nothing, read
from vmrep.api.etags import compares_itself, if_unchanged, require_match
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.once import idempotent
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.answers import DiscoveryAnswer
from vmrep.api.serializers.vcenters import (
    DiscoveredVMSerializer,
    DiscoveryOfSerializer,
    DiscoverySerializer,
    VCenterSerializer,
)
from vmrep.api.views.base import View, see, username

ORDER_BY = by_name(
    *("id", "vm_name", "vm_path", "power_state", "os_type", "cpu_count", "memory_mb")
)


VCENTER_EDITED = (
    *("name", "host", "port", "username", "trust_mode", "fingerprint_sha256"),
    *("transport", "nbd_command", "instance_uuid"),
)
VCENTERS = Listing(
    VCenterSerializer,
    VCenterFilter,
    by_name("id", "name", "host", "vm_count", "context_count", "created_at"),
)
DISCOVERED = Listing(
    DiscoveredVMSerializer, DiscoveredVMFilter, ORDER_BY, more=DiscoveryOfSerializer
)


class VCenterList(View):
    """GET: all vCenters. POST: test the connection to a new vCenter, then add it."""

    @described_list(VCENTERS)
    def get(self, request: Request) -> Response:
        return VCENTERS.answer(request, access.vcenters_in_list(request.user))

    @described(VCenterSerializer, status=201, body=NewVCenter)
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.ADD, VCenter)
        vcenter = vcenters.add(**read(NewVCenter, request.data))
        return see(
            request, _body(request, vcenter.pk), status.HTTP_201_CREATED, "vcenter", vcenter.pk
        )


class VCenterDetail(View):
    """GET: one vCenter. PATCH: test the connection with the changes, then save them. DELETE: remove
    it, unless a VM's record depends on it."""

    editable = VCENTER_EDITED

    @described(VCenterSerializer)
    def get(self, request: Request, vcenter_id: int) -> Response:
        require_known(request, set())
        return Response(_body(request, vcenter_id))

    @described(VCenterSerializer, body=ChangedVCenter)
    @compares_itself
    def patch(self, request: Request, vcenter_id: int) -> Response:
        require_known(request, set())
        vcenter = access.vcenter(request.user, vcenter_id, Verb.CHANGE)
        changes = read(ChangedVCenter, request.data)
        vcenters.update(
            vcenter,
            **changes,
            actor=username(request),
            require=partial(require_match, self, request, vcenter_id)
            if "If-Match" in request.headers
            else None,
        )
        return Response(_body(request, vcenter_id))

    @described(status=204)
    @if_unchanged
    def delete(self, request: Request, vcenter_id: int) -> Response:
        require_known(request, set())
        read(Nothing, request.data)
        vcenters.remove(access.vcenter(request.user, vcenter_id, Verb.REMOVE))
        return Response(status=status.HTTP_204_NO_CONTENT)


class VCenterDiscovery(View):
    """POST: read the vCenter's VMs again. GET: its progress, and the VMs with their specs.
    Neither changes a VM nor takes one under management."""

    @described_list(DISCOVERED)
    def get(self, request: Request, vcenter_id: int) -> Response:
        vcenter = access.vcenter(request.user, vcenter_id, Verb.VIEW)
        newest = access.newest_discovery(request.user, vcenter)
        return DISCOVERED.answer(
            request,
            access.rows(
                request.user,
                Verb.VIEW,
                context_selectors.discovered_vms(vcenter, also_gone=True),
            ),
            more={"discovery": DiscoverySerializer(newest).data if newest else None},
        )

    @described(DiscoveryAnswer, status=202, body=Nothing)
    @idempotent
    def post(self, request: Request, vcenter_id: int) -> Response:
        vcenter = access.vcenter(request.user, vcenter_id, Verb.DISCOVER)
        read(Nothing, request.data)
        run = discovery.request(vcenter, actor=username(request))
        return see(
            request,
            {"discovery": DiscoverySerializer(run).data},
            status.HTTP_202_ACCEPTED,
            "vcenter-discovery",
            vcenter.pk,
        )


def _body(request: Request, vcenter_id: int) -> Any:
    among = access.vcenters_in_list(request.user)
    vcenter = access.vcenter(request.user, vcenter_id, Verb.VIEW, among=among)
    return VCenterSerializer(vcenter).data
