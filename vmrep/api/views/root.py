"""The API's root: the list of addresses, and the answer for unknown addresses."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from vmrep.api.lists import require_known
from vmrep.api.schema.operations import described
from vmrep.api.views.base import View, address

LISTS = {
    "vm_contexts": "vm-contexts",
    "vm_context_lookup": "vm-context-lookup",
    "replications": "replications",
    "vcenters": "vcenters",
    "repositories": "repositories",
    "policies": "policies",
    "groups": "groups",
    "limits": "limits",
    "bandwidth": "bandwidth",
    "pauses": "pauses",
    "bulk_actions": "bulk-actions",
    "health": "health",
    "integrity": "integrity",
    "events": "events",
    "occurrences": "occurrences",
    "audit_events": "audit-events",
    "report": "report",
    "notification_channels": "notification-channels",
    "notification_rules": "notification-rules",
    "notification_deliveries": "notification-deliveries",
    "token": "token",
    "tokens": "tokens",
    "users": "users",
    "saved_views": "saved-views",
}


RootAnswer: Any = type(
    "RootAnswer", (serializers.Serializer,), {name: serializers.URLField() for name in LISTS}
)


class Root(View):
    """GET: the API's addresses."""

    @described(RootAnswer)
    def get(self, request: Request) -> Response:
        require_known(request, ())
        return Response({key: address(request, name) for key, name in LISTS.items()})


@extend_schema(exclude=True)
class Nowhere(View):
    """The answer for an unknown address."""

    def dispatch_nowhere(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise NotFound(
            f"There is nothing at {request.path[:200]}. Addresses end with a slash;"
            f" {address(request, 'root')} lists them."
        )

    get = post = put = patch = delete = dispatch_nowhere
