"""What a worker does with many VMs: asking for it, following it, cancelling it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.clock import about_now
from contexts.models import VMContext
from replication.filters import BulkActionFilter, BulkItemFilter, ProtectedVMFilter
from replication.models import BulkAction
from replication.selectors import bulk, protection
from replication.selectors.contexts import contexts_for_list
from replication.services import bulk_acts
from replication.services.bulk_acts import Arguments
from replication.states import BulkKind, Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Nothing, read
from vmrep.api.bulk_bodies import NewBulkAction
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.once import idempotent
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.bulk import BulkActionSerializer, BulkItemSerializer
from vmrep.api.views.base import View, see, username

ACTIONS = Listing(
    BulkActionSerializer,
    BulkActionFilter,
    by_name("id", "kind", "state", "total", "created_at", "ended_at", "asked_by"),
)
VMS = Listing(
    BulkItemSerializer,
    BulkItemFilter,
    {"id": "pk", "vm_name": "vm_context__vm_name", "state": "state"},
)


class BulkActionList(View):
    """GET: bulk actions, newest first. POST: ask for one."""

    @described_list(ACTIONS)
    def get(self, request: Request) -> Response:
        rows = access.bulk_actions(request.user)
        return ACTIONS.answer(request, rows)

    @described(BulkActionSerializer, status=202, body=NewBulkAction)
    @idempotent
    def post(self, request: Request) -> Response:
        access.require_any_bulk(request.user)
        wanted = read(NewBulkAction, request.data)
        arguments = _arguments(request.user, wanted)
        action = bulk_acts.ask(
            wanted["kind"],
            _meant(request.user, wanted),
            arguments,
            trigger=Trigger.API,
            actor=username(request),
        )
        answer = BulkActionSerializer(action).data
        return see(request, answer, status.HTTP_202_ACCEPTED, "bulk-action", action.pk)


class BulkActionDetail(View):
    """GET: how far one has come."""

    @described(BulkActionSerializer)
    def get(self, request: Request, action_id: int) -> Response:
        require_known(request, ())
        action: BulkAction = access.bulk_action(request.user, action_id, Verb.VIEW)
        return Response(BulkActionSerializer(action).data)


class BulkActionVMs(View):
    """GET: its VMs, with what became of each."""

    @described_list(VMS)
    def get(self, request: Request, action_id: int) -> Response:
        action = access.bulk_action(request.user, action_id, Verb.VIEW)
        return VMS.answer(request, bulk.items_for_list(action))


class BulkActionCancel(View):
    """POST: leave the VMs as they are that it has not come to yet."""

    @described(BulkActionSerializer, body=Nothing)
    def post(self, request: Request, action_id: int) -> Response:
        action = access.bulk_action(request.user, action_id, Verb.CANCEL)
        read(Nothing, request.data)
        action = bulk_acts.cancel(action, actor=username(request))
        return Response(BulkActionSerializer(action).data)


def _meant(user: access.User, wanted: dict[str, Any]) -> QuerySet[VMContext]:
    """Raises ValidationError when a VM is not there, or a filter is not valid."""
    verb = access.VERBS_OF_BULK[BulkKind(wanted["kind"])]
    rows = access.rows(user, verb, contexts_for_list(protection.terms(about_now())))
    if "filter" in wanted:
        filters = ProtectedVMFilter(
            wanted["filter"],
            queryset=rows,
            vcenters=access.vcenters(user),
            groups=access.groups(user),
        )
        if not filters.is_valid():
            raise ValidationError({"filter": filters.errors})
        found: QuerySet[VMContext] = filters.qs
        return found
    keys = set(wanted["context_ids"])
    there = rows.filter(pk__in=keys)
    if missing := sorted(keys.difference(there.values_list("pk", flat=True))):
        raise ValidationError(
            {"context_ids": f"There is no VM context {missing[0][:120]!r} under management."}
        )
    return there


def _arguments(user: access.User, wanted: dict[str, Any]) -> Arguments:
    """Raises ValidationError when the policy or the repository is not there."""
    try:
        policy, repository = wanted.get("policy_id"), wanted.get("repository_id")
        return Arguments(
            policy=None if policy is None else access.policy(user, policy, Verb.VIEW),
            repository=None
            if repository is None
            else access.repository(user, repository, Verb.VIEW),
            until=wanted.get("until"),
            reason=wanted.get("reason", ""),
        )
    except access.NotFound as problem:
        field = "policy_id" if problem.code == "unknown_policy" else "repository_id"
        raise ValidationError({field: str(problem)}) from problem
