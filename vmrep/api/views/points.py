"""A recovery point: what it is, pinning it, commenting on it, deleting it."""

from __future__ import annotations

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from replication.errors import NeverVerified
from replication.retention import services
from replication.selectors.points import points_in_detail
from replication.states import Trigger
from replication.verify import services as verifying
from replication.verify.selectors import of_point
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Comment, Nothing, Pin, read
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import require_known
from vmrep.api.once import idempotent
from vmrep.api.schema.operations import described
from vmrep.api.serializers.jobs import RecoveryPointSerializer, VerificationInDetailSerializer
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


class PointVerificationNow(View):
    """GET: the newest verification, with what it found. POST: a worker reads the point back.
    DELETE: it stops."""

    @described(VerificationInDetailSerializer)
    def get(self, request: Request, point_id: int) -> Response:
        point = access.point(request.user, point_id, Verb.VIEW)
        require_known(request, set())
        return _newest(point.pk)

    @described(VerificationInDetailSerializer, status=202, body=Nothing)
    @idempotent
    def post(self, request: Request, point_id: int) -> Response:
        point = access.point(request.user, point_id, Verb.VERIFY)
        read(Nothing, request.data)
        verifying.request(point, trigger=Trigger.API, actor=username(request))
        return _newest(point.pk, status.HTTP_202_ACCEPTED)

    @described(VerificationInDetailSerializer, status=202)
    def delete(self, request: Request, point_id: int) -> Response:
        point = access.point(request.user, point_id, Verb.VERIFY)
        read(Nothing, request.data)
        verifying.cancel_of_point(point, actor=username(request))
        return _newest(point.pk, status.HTTP_202_ACCEPTED)


class ContextVerification(View):
    """POST: a worker reads the VM's newest recovery point back."""

    @described(VerificationInDetailSerializer, status=202, body=Nothing)
    @idempotent
    def post(self, request: Request, context_id: str) -> Response:
        vm = access.context(request.user, context_id, Verb.VERIFY)
        read(Nothing, request.data)
        asked = verifying.request_of_vm(vm, trigger=Trigger.API, actor=username(request))
        return _newest(asked.recovery_point_id, status.HTTP_202_ACCEPTED)


def _newest(point_id: int, code: int = status.HTTP_200_OK) -> Response:
    newest = of_point(point_id).prefetch_related("damages__disk", "damages__image").first()
    if newest is None:
        raise NeverVerified("This recovery point was never verified.")
    return Response(VerificationInDetailSerializer(newest).data, status=code)


def _shown(request: Request, point_id: int, code: int = status.HTTP_200_OK) -> Response:
    point = access.point(request.user, point_id, Verb.VIEW, among=points_in_detail())
    return Response(RecoveryPointSerializer(point).data, status=code)
