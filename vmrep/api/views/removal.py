"""Removing a VM from management, and deleting its replica data."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from contexts.models import VMContext
from replication.selectors.replica import replica_of
from replication.services import removal
from replication.services.removal import Deleted
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import ConfirmDeletion, Release, read
from vmrep.api.schema.operations import described
from vmrep.api.serializers.answers import RemovedAnswer
from vmrep.api.views.base import View, username


class ContextRelease(View):
    """POST: remove the VM from management. Record, history and recovery points stay; with
    `delete_replica_data` and `confirm_vm_name` the recovery points go, too."""

    @described(RemovedAnswer, body=Release)
    def post(self, request: Request, context_id: str) -> Response:
        context = access.context(request.user, context_id, Verb.RELEASE)
        body = read(Release, request.data)
        if body["delete_replica_data"]:
            access.require(request.user, Verb.DELETE_REPLICA, VMContext)
        deleted = removal.remove_from_management(context, actor=username(request), **body)
        return _answer(context, deleted)


class ReplicaDeletion(View):
    """POST: delete all recovery points of the VM, managed or not; `confirm_vm_name` is its name."""

    @described(RemovedAnswer, body=ConfirmDeletion)
    def post(self, request: Request, context_id: str) -> Response:
        context = access.context(request.user, context_id, Verb.DELETE_REPLICA)
        body = read(ConfirmDeletion, request.data)
        deleted = removal.delete_replica_data(context, actor=username(request), **body)
        return _answer(context, deleted)


def _answer(context: VMContext, deleted: Deleted) -> Response:
    """What is left and what was deleted; the files themselves are removed soon after."""
    context.refresh_from_db(fields=["current_status", "unmanaged_at"])
    replica = replica_of(context)
    return Response(
        {
            "context_id": context.pk,
            "current_status": context.current_status,
            "unmanaged_at": context.unmanaged_at,
            "recovery_points_kept": replica.point_count,
            "stored_bytes_kept": replica.stored_bytes,
            "recovery_points_deleted": deleted.recovery_points,
            "stored_bytes_deleted": deleted.stored_bytes,
        }
    )
