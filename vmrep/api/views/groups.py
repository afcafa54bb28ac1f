"""Groups of VMs that are replicated together, and their runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.clock import about_now
from contexts.models import VMContext
from contexts.services.transactions import one_transaction
from replication.filters import GroupFilter, GroupRunFilter
from replication.models import GroupRun, VMGroup
from replication.selectors import groups as selector
from replication.selectors import protection
from replication.services import group_runs, groups
from replication.states import Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Nothing, read
from vmrep.api.etags import if_unchanged
from vmrep.api.group_bodies import ChangedGroup, NewGroup
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.once import idempotent
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.groups import GroupSerializer, RunSerializer
from vmrep.api.views.base import View, see, username

Among = QuerySet[VMContext] | None  # the VMs that the user sees; None: all


def _shown(among: Among, page: list[VMGroup], **how: Any) -> Any:
    """As `listing` calls a serializer."""
    found: Any = selector.shown(page, protection.terms(about_now()), among=among)
    return GroupSerializer(found, **how)


def _runs_shown(among: Among, page: list[GroupRun], **how: Any) -> Any:
    found: Any = selector.run_shown(page, among)
    return RunSerializer(found, **how)


GROUPS = Listing(GroupSerializer, GroupFilter, by_name("id", "name", "created_at"))
RUNS = Listing(
    RunSerializer,
    GroupRunFilter,
    by_name("id", "state", "created_at", "ended_at", "spread_seconds"),
)


class GroupList(View):
    """GET: all groups, with their VMs and last runs. POST: make one."""

    @described_list(GROUPS)
    def get(self, request: Request) -> Response:
        shown = partial(_shown, access.counted(request.user))
        return GROUPS.answer(request, access.groups(request.user), shown=shown)

    @described(GroupSerializer, status=201, body=NewGroup)
    @idempotent
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.ADD, VMGroup)
        wanted = read(NewGroup, request.data)
        vms = _vms(request, wanted.get("members", []))
        group = _made(wanted["name"], vms, username(request))
        return see(request, _body(request, group), status.HTTP_201_CREATED, "group", group.pk)


class GroupDetail(View):
    """GET: one. PATCH: another name, other VMs, another order. DELETE: the group, not its VMs."""

    @staticmethod
    def editable(group: Mapping[str, Any]) -> Any:
        return group["name"], [each["context_id"] for each in group["members"]]

    @described(GroupSerializer)
    def get(self, request: Request, group_id: int) -> Response:
        require_known(request, ())
        return Response(_body(request, access.group(request.user, group_id, Verb.VIEW)))

    @described(GroupSerializer, body=ChangedGroup)
    @if_unchanged
    def patch(self, request: Request, group_id: int) -> Response:
        require_known(request, ())
        group = access.group(request.user, group_id, Verb.CHANGE)
        wanted = read(ChangedGroup, request.data)
        vms = _vms(request, wanted["members"]) if "members" in wanted else None
        _changed(group, wanted.get("name"), vms, username(request))
        return Response(_body(request, access.group(request.user, group_id, Verb.VIEW)))

    @described(status=204)
    @if_unchanged
    def delete(self, request: Request, group_id: int) -> Response:
        require_known(request, ())
        read(Nothing, request.data)
        groups.delete(access.group(request.user, group_id, Verb.REMOVE), actor=username(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class GroupReplications(View):
    """GET: the group's runs, the newest first. POST: replicate its VMs together."""

    @described_list(RUNS)
    def get(self, request: Request, group_id: int) -> Response:
        group = access.group(request.user, group_id, Verb.VIEW)
        shown = partial(_runs_shown, access.counted(request.user))
        return RUNS.answer(request, access.group_runs(request.user, group), shown=shown)

    @described(RunSerializer, status=202, body=Nothing)
    @idempotent
    def post(self, request: Request, group_id: int) -> Response:
        group = access.group(request.user, group_id, Verb.REPLICATE)
        read(Nothing, request.data)
        run = group_runs.begin(group, trigger=Trigger.API, requested_by=username(request))
        (shown,) = selector.run_shown([run])
        return see(request, RunSerializer(shown).data, status.HTTP_202_ACCEPTED, "group", group.pk)


def _body(request: Request, group: VMGroup) -> dict[str, Any]:
    among = access.counted(request.user)
    (shown,) = selector.shown([group], protection.terms(about_now()), among=among)
    return dict(GroupSerializer(shown).data)


def _vms(request: Request, context_ids: list[str]) -> list[VMContext]:
    """Raises ValidationError for one that this user does not see, or that is named twice."""
    if len(set(context_ids)) < len(context_ids):
        raise ValidationError({"members": "Name each VM once."})
    try:
        return [access.context(request.user, each, Verb.GROUP) for each in context_ids]
    except access.NotFound as problem:
        raise ValidationError({"members": str(problem)}) from problem


@one_transaction
def _made(name: str, vms: list[VMContext], actor: str) -> VMGroup:
    group = groups.add(name, actor=actor)
    for vm in vms:
        groups.add_member(group, vm, actor=actor)
    return group


@one_transaction
def _changed(group: VMGroup, name: str | None, vms: list[VMContext] | None, actor: str) -> None:
    if name is not None:
        groups.rename(group, name, actor=actor)
    if vms is None:
        return
    wanted = [vm.pk for vm in vms]
    there = {row.vm_context_id: row for row in group.members.select_related("group", "vm_context")}
    for key in sorted(there.keys() - set(wanted)):
        groups.remove_member(there[key], actor=actor)
    for vm in sorted(vms, key=lambda each: str(each.pk)):
        if vm.pk not in there:
            groups.add_member(group, vm, actor=actor)
    groups.set_order(group, wanted, actor=actor)
