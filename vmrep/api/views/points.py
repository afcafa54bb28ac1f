"""A recovery point: what it is, pinning it, commenting on it, deleting it."""

from __future__ import annotations

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from replication.retention import services
from replication.selectors.points import points_in_detail
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Comment, Nothing, Pin, read
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import require_known
from vmrep.api.schema.operations import described
from vmrep.api.serializers.jobs import RecoveryPointSerializer
from vmrep.api.views.base import View, username


class PointDetail(View):
    """GET: the point. PATCH: its comment. DELETE: a worker removes it."""

    editable = ("comment", "pinned_by", "state", "removal")

    @described(RecoveryPointSerializer)
    def get(self, request: Request, point_id: int) -> Response:
        require_known(request, set())
        return _shown(request, point_id)

    @described(RecoveryPointSerializer, body=Comment)
    @if_unchanged
    def patch(self, request: Request, point_id: int) -> Response:
        point = access.point(request.user, point_id, Verb.COMMENT)
        wanted = read(Comment, request.data)
        services.comment(point, wanted["comment"], actor=username(request))
        return _shown(request, point_id)

    @described(RecoveryPointSerializer, status=202)
    @if_unchanged
    def delete(self, request: Request, point_id: int) -> Response:
        point = access.point(request.user, point_id, Verb.DELETE_POINT)
        read(Nothing, request.data)
        services.delete(point, actor=username(request))
        return _shown(request, point_id, status.HTTP_202_ACCEPTED)


class PointPin(View):
    """POST: keep the point whatever the rules say. DELETE: no longer."""

    @described(RecoveryPointSerializer, body=Pin)
    def post(self, request: Request, point_id: int) -> Response:
        point = access.point(request.user, point_id, Verb.PIN)
        wanted = read(Pin, request.data)
        services.pin(point, actor=username(request), **wanted)
        return _shown(request, point_id)

    @described(RecoveryPointSerializer)
    def delete(self, request: Request, point_id: int) -> Response:
        point = access.point(request.user, point_id, Verb.UNPIN)
        read(Nothing, request.data)
        services.unpin(point, actor=username(request))
        return _shown(request, point_id)


def _shown(request: Request, point_id: int, code: int = status.HTTP_200_OK) -> Response:
    point = access.point(request.user, point_id, Verb.VIEW, among=points_in_detail())
    return Response(RecoveryPointSerializer(point).data, status=code)
