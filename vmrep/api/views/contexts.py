"""VM contexts: the list, one with everything, taking VMs under management, starting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contexts import selectors as context_selectors
from contexts.clock import about_now
from contexts.models import DiscoveredVM, VMContext
from contexts.services import identity, lookup, management
from replication.filters import ProtectedVMFilter
from replication.models import Repository
from replication.policies import services, taking
from replication.policies.values import REPOSITORY, UNSAID
from replication.selectors import protection
from replication.selectors.contexts import contexts_for_list, contexts_in_detail, disks_of
from replication.selectors.groups import group_of
from replication.selectors.jobs import cbt_history, current_job, job_history
from replication.selectors.points import recovery_points
from replication.services import repositories, start
from replication.states import RPOKind, Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Identity, SameVM, Sync, Take, read
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import Listing, require_known
from vmrep.api.once import idempotent
from vmrep.api.policy_bodies import ChangedContext, hours, said
from vmrep.api.schema.operations import described, described_list, parameter
from vmrep.api.serializers.answers import EverythingAnswer, TakenAnswer
from vmrep.api.serializers.contexts import (
    ContextRowSerializer,
    ContextSerializer,
    DiskSerializer,
    NetworkAdapterSerializer,
)
from vmrep.api.serializers.jobs import (
    CBTHistorySerializer,
    JobDetailSerializer,
    JobWithStepsSerializer,
    RecoveryPointSerializer,
)
from vmrep.api.serializers.policies import effective_policy
from vmrep.api.views.base import View, see, username
from vmrep.api.views.jobs import started

IDENTITY = ("vm_name", "vcenter_host", "vmware_vm_id")
ORDER_BY = {
    "vm_name": "sort_name",
    "vcenter": "vcenter__name",
    "current_status": "current_status",
    "power_state": "power_state",
    "os_type": "os_type",
    "cpu_count": "cpu_count",
    "memory_mb": "memory_mb",
    "disk_count": "disk_count",
    "capacity_bytes": "capacity_bytes",
    "newest_recovery_point_at": "newest_point_at",
    "risk": "risk",
    "last_job_at": "last_job_at",
    "next_run_at": "schedule__due_at",
    "created_at": "created_at",
}


BY_IDENTITY = [
    parameter("vm_name", str, "The VM's name; the answer is then this one VM, in full."),
    parameter("vcenter_host", str, "Its vCenter, where several have a VM of that name."),
    parameter("vmware_vm_id", str, "Its instance UUID, instead of both."),
]
CONTEXTS = Listing(ContextRowSerializer, ProtectedVMFilter, ORDER_BY)


class ContextList(View):
    """GET: the VMs under management; with `vm_name`, `vcenter_host` or `vmware_vm_id`: one of
    them, in full. POST: take discovered VMs under management."""

    @described_list(CONTEXTS, or_else=EverythingAnswer, parameters=BY_IDENTITY)
    def get(self, request: Request) -> Response:
        if any(name in request.query_params for name in IDENTITY):
            return _looked_up(request)
        terms = protection.terms(about_now())
        return CONTEXTS.answer(
            request,
            access.rows(request.user, Verb.VIEW, contexts_for_list(terms)),
            context={"now": terms.now},
            filter_choices={
                "vcenters": access.vcenters(request.user),
                "groups": access.groups(request.user),
            },
        )

    @described(TakenAnswer, status=(200, 201), body=Take)
    @idempotent
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.TAKE, DiscoveredVM)
        taken, new_ids, _ = _take(request, read(Take, request.data))
        answer = status.HTTP_201_CREATED if new_ids else status.HTTP_200_OK
        terms = protection.terms(about_now())
        shown = access.rows(request.user, Verb.VIEW, contexts_for_list(terms))
        rows = shown.filter(pk__in=[context.pk for context in taken])
        body = {"contexts": ContextRowSerializer(rows, many=True, context={"now": terms.now}).data}
        if len(taken) == 1:
            return see(request, body, answer, "vm-context", taken[0].pk)
        return Response(body, status=answer)


class ContextLookup(View):
    """GET: the one VM that has this name at this vCenter, or this instance UUID, in full."""

    @described(EverythingAnswer, parameters=BY_IDENTITY)
    def get(self, request: Request) -> Response:
        return _looked_up(request)


class ContextDetail(View):
    """GET: everything about one VM. PATCH: what is wanted for it alone."""

    editable = ("policy",)

    @described(EverythingAnswer, body=ChangedContext)
    @if_unchanged
    def patch(self, request: Request, context_id: str) -> Response:
        require_known(request, set())
        context = access.context(request.user, context_id, Verb.SET_TARGET)
        wanted = read(ChangedContext, request.data)["policy"]
        access.require(request.user, _verb_for(wanted), VMContext)
        given = dict(UNSAID) if wanted is None else said(wanted)
        given.pop(REPOSITORY, None)
        services.set_own(context, given, hours(wanted or {}), actor=username(request))
        return _everything(request, context_id)

    @described(EverythingAnswer)
    def get(self, request: Request, context_id: str) -> Response:
        require_known(request, set())
        return _everything(request, context_id)


def _verb_for(wanted: Mapping[str, Any] | None) -> Verb:
    """Of own values that are given: a target alone is less than all that a policy can say."""
    is_target = (
        wanted is not None
        and wanted.keys() <= {"rpo_kind", "rpo_target_seconds"}
        and wanted.get("rpo_kind") in (None, RPOKind.TARGET)
    )
    return Verb.SET_TARGET if is_target else Verb.CHANGE


class ContextReplications(View):
    """POST: start a replication of this VM."""

    @described(JobDetailSerializer, status=202, body=Sync)
    @idempotent
    def post(self, request: Request, context_id: str) -> Response:
        context = access.context(request.user, context_id, Verb.REPLICATE)
        wanted = read(Sync, request.data)
        job = start.start(context, trigger=Trigger.API, requested_by=username(request), **wanted)
        return started(request, job)


class ContextIdentity(View):
    """POST: a discovered VM is, or is not, this VM under a new instance UUID."""

    decide: Any = None

    @described(EverythingAnswer, body=SameVM)
    def post(self, request: Request, context_id: str) -> Response:
        context = access.context(request.user, context_id, Verb.IDENTIFY)
        wanted = read(SameVM, request.data)
        seen = access.rows(request.user, Verb.IDENTIFY, DiscoveredVM.objects.all())
        vm = lookup.find_discovered(seen, context.vcenter, **wanted)
        self.decide(vm, context, actor=username(request))
        return _everything(request, context_id)


class ConfirmIdentity(ContextIdentity):
    """It is the same VM: its history continues."""

    decide = staticmethod(identity.confirm)


class RejectIdentity(ContextIdentity):
    """It is another VM, which can be taken under management as a new one."""

    decide = staticmethod(identity.reject)


def _looked_up(request: Request) -> Response:
    among = access.findable(request.user, Verb.VIEW, Verb.VIEW)
    require_known(request, set(IDENTITY))
    wanted = read(Identity, request.query_params.dict())
    return _everything(request, lookup.find_context(among, **wanted).pk)


def _everything(request: Request, context_id: str) -> Response:
    terms = protection.terms(about_now())
    context = access.context_among(contexts_in_detail(terms), request.user, context_id, Verb.VIEW)
    job = current_job(context)
    history = job_history(context)
    return Response(
        {
            "context": ContextSerializer(context, context={"now": terms.now}).data,
            "policy": effective_policy(context),
            "group": _group(context),
            "current_job": JobDetailSerializer(job).data if job else None,
            "job_history": JobWithStepsSerializer(history, many=True).data,
            "disks": DiskSerializer(disks_of(context), many=True).data,
            "networks": NetworkAdapterSerializer(
                context_selectors.networks_of(context), many=True
            ).data,
            "cbt_history": CBTHistorySerializer(cbt_history(context), many=True).data,
            "recovery_points": RecoveryPointSerializer(recovery_points(context), many=True).data,
        }
    )


def _group(context: VMContext) -> dict[str, Any] | None:
    group = group_of(context)
    return {"id": group.pk, "name": group.name} if group else None


def _take(request: Request, values: dict[str, Any]) -> management.Taken:
    """The contexts of the VMs that a body names; VMs that are already managed keep theirs."""
    repository = _repository(request, values.get("repository_id"))
    if "discovered_vm_ids" in values:
        vms = _discovered(request, values["discovered_vm_ids"])
    else:
        among = access.findable(request.user, Verb.VIEW, Verb.TAKE)
        vm = lookup.find_vm(among, **{name: values[name] for name in IDENTITY if name in values})
        if isinstance(vm, VMContext):
            return management.Taken([vm], frozenset())
        vms = [vm]
    return taking.take(
        vms,
        repository=repository,
        actor=username(request),
        target_seconds=values.get("rpo_target_seconds"),
    )


def _repository(request: Request, repository_id: int | None) -> Repository | None:
    """Raises ValidationError for an ID that is not known."""
    if repository_id is None:
        return repositories.default(access.repositories(request.user))
    try:
        return access.repository(request.user, repository_id, Verb.VIEW)
    except access.NotFound as problem:
        raise ValidationError({"repository_id": str(problem)}) from problem


def _discovered(request: Request, ids: list[int]) -> list[DiscoveredVM]:
    """Raises ValidationError for an ID that is not known."""
    found = access.rows(request.user, Verb.TAKE, DiscoveredVM.objects.all()).in_bulk(ids)
    missing = [str(pk) for pk in dict.fromkeys(ids) if pk not in found]
    if missing:
        raise ValidationError(
            {"discovered_vm_ids": f"There is no discovered VM {', '.join(missing)}."}
        )
    return list(found.values())
