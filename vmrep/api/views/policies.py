"""Policies, and where they apply."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from replication.filters import PolicyFilter
from replication.models import Policy
from replication.policies import services
from replication.policies.checking import checked, merged
from replication.policies.preview import Change, preview
from replication.policies.services import Outcome, Where
from replication.policies.values import ALL_COLUMNS
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Nothing, read
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.once import idempotent
from vmrep.api.policy_bodies import (
    ChangedPolicy,
    NewPolicy,
    NewScope,
    PossibleChange,
    hours,
    said,
)
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.answers import (
    ChangedPolicyAnswer,
    NewScopeAnswer,
    OutcomeAnswer,
    PolicyPreviewAnswer,
)
from vmrep.api.serializers.policies import (
    PolicySerializer,
    ScopeSerializer,
    shown_preview,
)
from vmrep.api.views.base import View, see, username

POLICIES = Listing(
    PolicySerializer, PolicyFilter, by_name("id", "name", "priority", "vm_count", "created_at")
)

SCOPE_EDITED = ("kind", "vcenter_id", "folder", "pattern", "context_id", "takes_new")


class PolicyList(View):
    """GET: all policies, with where they apply. POST: add one, which applies nowhere yet."""

    @described_list(POLICIES)
    def get(self, request: Request) -> Response:
        return POLICIES.answer(request, access.policies_in_list(request.user))

    @described(PolicySerializer, status=201, body=NewPolicy)
    @idempotent
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.ADD, Policy)
        wanted = read(NewPolicy, request.data)
        _require_repository(request, wanted)
        policy = services.add(
            wanted["name"], said(wanted), hours(wanted) or (), actor=username(request)
        )
        body = _body(request, policy.pk)
        return see(request, body, status.HTTP_201_CREATED, "policy", policy.pk)


class PolicyDetail(View):
    """GET: one. PATCH: change what is given. DELETE: remove one that applies nowhere."""

    editable = ("name", *ALL_COLUMNS, "windows", "scopes")

    @described(PolicySerializer)
    def get(self, request: Request, policy_id: int) -> Response:
        require_known(request, set())
        return Response(_body(request, policy_id))

    @described(ChangedPolicyAnswer, body=ChangedPolicy)
    @if_unchanged
    def patch(self, request: Request, policy_id: int) -> Response:
        require_known(request, set())
        policy = access.policy(request.user, policy_id, Verb.CHANGE)
        wanted = read(ChangedPolicy, request.data)
        _require_repository(request, wanted)
        outcome = services.change(
            policy, said(wanted), hours(wanted), name=wanted.get("name"), actor=username(request)
        )
        return Response({**_body(request, policy_id), **_told(outcome)})

    @described(status=204)
    @if_unchanged
    def delete(self, request: Request, policy_id: int) -> Response:
        require_known(request, set())
        policy = access.policy(request.user, policy_id, Verb.REMOVE)
        read(Nothing, request.data)
        services.remove(policy, actor=username(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PolicyScopes(View):
    """POST: let the policy apply somewhere."""

    @described(NewScopeAnswer, status=201, body=NewScope)
    def post(self, request: Request, policy_id: int) -> Response:
        policy = access.policy(request.user, policy_id, Verb.CHANGE)
        wanted = read(NewScope, request.data)
        where = place(request, wanted, Verb.CHANGE)
        scope, outcome = services.assign(policy, where, actor=username(request))
        body = {**ScopeSerializer(scope).data, **_told(outcome)}
        created = status.HTTP_201_CREATED
        return see(request, body, created, "policy-scope", policy.pk, scope.pk)


class PolicyScopeDetail(View):
    """GET: one place where the policy applies. DELETE: let it no longer apply there."""

    editable = SCOPE_EDITED

    @described(ScopeSerializer)
    def get(self, request: Request, policy_id: int, scope_id: int) -> Response:
        require_known(request, set())
        policy = access.policy(request.user, policy_id, Verb.VIEW)
        scope = access.policy_scope(request.user, policy, scope_id, Verb.VIEW)
        return Response(ScopeSerializer(scope).data)

    @described(OutcomeAnswer)
    @if_unchanged
    def delete(self, request: Request, policy_id: int, scope_id: int) -> Response:
        require_known(request, set())
        policy = access.policy(request.user, policy_id, Verb.CHANGE)
        read(Nothing, request.data)
        scope = access.policy_scope(request.user, policy, scope_id, Verb.REMOVE)
        return Response(_told(services.unassign(scope, actor=username(request))))


class PolicyPreview(View):
    """POST: what one change of the policy would do. Nothing is written."""

    @described(PolicyPreviewAnswer, body=PossibleChange)
    def post(self, request: Request, policy_id: int) -> Response:
        # It only says what a change would do: a token that may not change anything may ask.
        access.require(request.user, Verb.ADD, Policy)
        policy = access.policy(request.user, policy_id, Verb.VIEW)
        wanted = read(PossibleChange, request.data)
        if "policy" in wanted:
            _require_repository(request, wanted["policy"])
            old = services.wanted_of(policy)
            new = merged(old, said(wanted["policy"]), hours(wanted["policy"]))
            change = Change(policy, wanted=checked(new))
        elif "scope" in wanted:
            change = Change(policy, add=place(request, wanted["scope"], Verb.VIEW))
        else:
            scope_id = wanted["remove_scope_id"]
            scope = access.policy_scope(request.user, policy, scope_id, Verb.VIEW)
            change = Change(policy, remove=scope.pk)
        return Response(shown_preview(preview(change)))


def place(request: Request, wanted: dict[str, Any], verb: Verb) -> Where:
    """The place that a body names; `verb`: what is done with a VM that it names. Raises
    ValidationError for what this user does not see."""
    vcenter = context = None
    try:
        if "vcenter_id" in wanted:
            vcenter = access.vcenter(request.user, wanted["vcenter_id"], Verb.VIEW)
        if "context_id" in wanted:
            context = access.context(request.user, wanted["context_id"], verb)
    except access.NotFound as problem:
        field = "vcenter_id" if vcenter is None and "vcenter_id" in wanted else "context_id"
        raise ValidationError({field: str(problem)}) from problem
    return Where(
        wanted["kind"],
        vcenter,
        wanted.get("folder", ""),
        wanted.get("pattern", ""),
        context,
        wanted.get("takes_new", False),
    )


def _require_repository(request: Request, wanted: dict[str, Any]) -> None:
    """Raises ValidationError for one that this user does not see."""
    if wanted.get("repository_id") is None:
        return
    try:
        access.repository(request.user, wanted["repository_id"], Verb.VIEW)
    except access.NotFound as problem:
        raise ValidationError({"repository_id": str(problem)}) from problem


def _body(request: Request, policy_id: int) -> dict[str, Any]:
    rows = access.policies_in_list(request.user)
    policy = access.policy(request.user, policy_id, Verb.VIEW, among=rows)
    return dict(PolicySerializer(policy).data)


def _told(outcome: Outcome) -> dict[str, int]:
    """For how many VMs something changed, and how many are still to be looked at."""
    return {"changed_vms": outcome.changed, "vms_to_come": outcome.left}
