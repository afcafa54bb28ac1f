"""What does not start by itself for now."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from replication.filters import PauseFilter
from replication.models import Pause
from replication.selectors import pauses as selector
from replication.services import pauses
from replication.services.pauses import Subject
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import Nothing, read
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.once import idempotent
from vmrep.api.pause_bodies import NewPause
from vmrep.api.schema.operations import described, described_list
from vmrep.api.serializers.pauses import PauseSerializer
from vmrep.api.views.base import View, see, username

PAUSES = Listing(
    PauseSerializer, PauseFilter, by_name("id", "kind", "until", "created_at", "paused_by")
)

PAUSED = ("kind", "vcenter_id", "policy_id", "context_id", "until", "reason")


class PauseList(View):
    """GET: the pauses that hold now. POST: pause something."""

    @described_list(PAUSES)
    def get(self, request: Request) -> Response:
        rows = selector.shown(access.pauses(request.user))
        return PAUSES.answer(
            request, rows, filter_choices={"vcenters": access.vcenters(request.user)}
        )

    @described(PauseSerializer, status=201, body=NewPause)
    @idempotent
    def post(self, request: Request) -> Response:
        require_known(request, ())
        access.require(request.user, Verb.PAUSE, Pause)
        wanted = read(NewPause, request.data)
        pause = pauses.pause(
            _subject(request, wanted),
            until=wanted.get("until"),
            reason=wanted.get("reason", ""),
            actor=username(request),
        )
        body = PauseSerializer(pause).data
        return see(request, body, status.HTTP_201_CREATED, "pause", pause.pk)


class PauseDetail(View):
    """GET: one that holds now. DELETE: end it."""

    editable = PAUSED

    @described(PauseSerializer)
    def get(self, request: Request, pause_id: int) -> Response:
        require_known(request, ())
        pause = access.pause(
            request.user, pause_id, Verb.VIEW, among=selector.shown(Pause.objects.all())
        )
        return Response(PauseSerializer(pause).data)

    @described(status=204)
    @if_unchanged
    def delete(self, request: Request, pause_id: int) -> Response:
        require_known(request, ())
        read(Nothing, request.data)
        pauses.end(access.pause(request.user, pause_id, Verb.PAUSE), actor=username(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _subject(request: Request, wanted: dict[str, Any]) -> Subject:
    """What a body names. Raises ValidationError for what this user does not see."""
    user, kind = request.user, wanted["kind"]
    field = {"vcenter": "vcenter_id", "policy": "policy_id", "vm": "context_id"}.get(kind)
    given = {name for name in ("vcenter_id", "policy_id", "context_id") if name in wanted}
    if given != ({field} if field else set()):
        what = f"{field} and none of the others" if field else "no ID"
        raise ValidationError({"kind": f"A pause of this kind takes {what}."})
    try:
        if kind == "vcenter":
            return Subject(kind, vcenter=access.vcenter(user, wanted["vcenter_id"], Verb.PAUSE))
        if kind == "policy":
            return Subject(kind, policy=access.policy(user, wanted["policy_id"], Verb.PAUSE))
        if kind == "vm":
            vm = access.context(user, wanted["context_id"], Verb.PAUSE)
            return Subject(kind, vm_context=vm)
    except access.NotFound as problem:
        raise ValidationError({str(field): str(problem)}) from problem
    access.require_pause_of_all(user)
    return Subject(kind)
