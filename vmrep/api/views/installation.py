"""What is set for the whole installation."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from replication.models import Installation
from replication.services import installation
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import ChangedInstallation, read
from vmrep.api.lists import require_known
from vmrep.api.serializers.installation import InstallationSerializer
from vmrep.api.views.base import View, username


class InstallationView(View):
    """GET: what is set. PATCH: set it."""

    def get(self, request: Request) -> Response:
        require_known(request, set())
        return Response(InstallationSerializer(access.installation(request.user, Verb.VIEW)).data)

    def patch(self, request: Request) -> Response:
        require_known(request, set())
        access.require(request.user, Verb.CHANGE, Installation)
        wanted = read(ChangedInstallation, request.data)
        changed = installation.set_default_target(
            wanted["default_rpo_target_seconds"], actor=username(request)
        )
        return Response(InstallationSerializer(changed).data)
