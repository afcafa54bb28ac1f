"""Repositories, what is in them, and moving VMs between them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.clock import about_now
from contexts.models import VMContext
from replication.filters import (
    RecoveryPointFilter,
    RepositoryFilter,
    RepositorySpaceFilter,
    VMInRepositoryFilter,
)
from replication.models import Repository
from replication.retention.choose import Rules
from replication.retention.verdicts import verdicts
from replication.retention.wanted import rules_in_effect
from replication.selectors import space
from replication.selectors.repositories import points_in, space_of, vms_in
from replication.selectors.room import reserve_bytes, under_way_bytes
from replication.services import moving, repositories
from replication.storage import looks
from vmrep import access
from vmrep.access import NotFound, Verb
from vmrep.api.bodies import ChangedRepository, NewRepository, Nothing, read
from vmrep.api.bodies import Move as MoveBody
from vmrep.api.etags import if_unchanged
from vmrep.api.lists import Listing, by_name, require_known
from vmrep.api.schema.operations import described, described_list, parameter
from vmrep.api.serializers.answers import (
    MovedAnswer,
    RepositoryDetailAnswer,
    RetentionPreviewAnswer,
)
from vmrep.api.serializers.jobs import RecoveryPointSerializer
from vmrep.api.serializers.repositories import (
    ForecastSerializer,
    RepositorySerializer,
    RepositorySignSerializer,
    RepositorySpaceSerializer,
    VMInRepositorySerializer,
)
from vmrep.api.views.base import View, see, username

RULES = tuple(f"keep_{name}" for name in Rules._fields)
MOST_KEPT = 9999
KEEP = [parameter(name, {"type": "integer", "minimum": 0, "maximum": MOST_KEPT}) for name in RULES]


REPOSITORIES = Listing(
    RepositorySerializer,
    RepositoryFilter,
    by_name("id", "name", "context_count", "point_count", "stored_bytes", "created_at"),
)
VMS = Listing(
    VMInRepositorySerializer,
    VMInRepositoryFilter,
    by_name("context_id", "vm_name", "point_count", "oldest_at", "newest_at", "stored_bytes"),
)
POINTS = Listing(
    RecoveryPointSerializer,
    RecoveryPointFilter,
    by_name("id", "consistent_at", "state", "disk_count", "expired_at"),
)
SPACE = Listing(
    RepositorySpaceSerializer,
    RepositorySpaceFilter,
    by_name("hour", "free_bytes", "total_bytes", "stored_bytes"),
)


class RepositoryList(View):
    """GET: all repositories. POST: what a folder is, and with that confirmed make it one."""

    @described_list(REPOSITORIES)
    def get(self, request: Request) -> Response:
        rows = access.rows(request.user, Verb.VIEW, access.repositories_in_list(request.user))
        return REPOSITORIES.answer(request, rows)

    @described(RepositoryDetailAnswer, status=201, body=NewRepository)
    def post(self, request: Request) -> Response:
        access.require(request.user, Verb.ADD, Repository)
        added = repositories.add(**read(NewRepository, request.data))
        body = _body(request, added.pk)
        return see(request, body, status.HTTP_201_CREATED, "repository", added.pk)


class RepositoryDetail(View):
    """GET: one repository. PATCH: its name, its reserve. DELETE: remove it, if nothing is kept
    there any more; its folder stays."""

    editable = ("name", "reserve_bytes")

    @described(RepositoryDetailAnswer)
    def get(self, request: Request, repository_id: int) -> Response:
        require_known(request, set())
        return Response(_body(request, repository_id))

    @described(RepositoryDetailAnswer, body=ChangedRepository)
    @if_unchanged
    def patch(self, request: Request, repository_id: int) -> Response:
        require_known(request, set())
        repository = access.repository(request.user, repository_id, Verb.CHANGE)
        changes = read(ChangedRepository, request.data)
        repositories.change(repository, **changes)
        return Response(_body(request, repository_id))

    @described(status=204)
    @if_unchanged
    def delete(self, request: Request, repository_id: int) -> Response:
        require_known(request, set())
        repository = access.repository(request.user, repository_id, Verb.REMOVE)
        read(Nothing, request.data)
        repositories.remove(repository, actor=username(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RepositoryVMs(View):
    """GET: the VMs that are kept there, or left something there."""

    @described_list(VMS)
    def get(self, request: Request, repository_id: int) -> Response:
        repository = access.repository(request.user, repository_id, Verb.VIEW)
        rows = access.rows(request.user, Verb.VIEW, vms_in(repository))
        return VMS.answer(request, rows)


class RepositoryPoints(View):
    """GET: the recovery points that are there, newest first."""

    @described_list(POINTS)
    def get(self, request: Request, repository_id: int) -> Response:
        repository = access.repository(request.user, repository_id, Verb.VIEW)
        rows = access.rows(request.user, Verb.VIEW, points_in(repository))
        return POINTS.answer(request, rows)


class RepositorySpaceList(View):
    """GET: how full it was, hour by hour, newest first."""

    @described_list(SPACE)
    def get(self, request: Request, repository_id: int) -> Response:
        repository = access.repository(request.user, repository_id, Verb.VIEW)
        rows = space_of(repository).order_by("-hour")
        return SPACE.answer(request, rows)


class Move(View):
    """POST: the VM's next replication goes into another repository."""

    @described(MovedAnswer, body=MoveBody)
    def post(self, request: Request, context_id: str) -> Response:
        context = access.context(request.user, context_id, Verb.MOVE)
        wanted = read(MoveBody, request.data)
        try:
            there = access.repository(request.user, wanted["repository_id"], Verb.VIEW)
        except NotFound as problem:
            raise ValidationError({"repository_id": str(problem)}) from problem
        is_new = moving.move(context, there, actor=username(request))
        return Response({"context_id": context.pk, "repository_id": there.pk, "moved": is_new})


class RetentionPreview(View):
    """GET: which of the VM's recovery points stay, and why, and which go in which order: by the
    rules in effect, or by those that are given. Nothing is changed."""

    @described(RetentionPreviewAnswer, parameters=KEEP)
    def get(self, request: Request, context_id: str) -> Response:
        require_known(request, set(RULES))
        context = access.context(request.user, context_id, Verb.VIEW)
        rules, zone = rules_in_effect(context.pk)
        given = {name: _count(request, name) for name in RULES if name in request.query_params}
        if given:
            counts = Rules(*(given.get(name, 0) for name in RULES))
            rules = counts if any(counts) else None
        found = verdicts(context, rules, zone)
        points = [
            {
                "recovery_point_id": key,
                "mark": str(verdict.mark),
                "goes": verdict.goes,
                "goes_as": verdict.goes_as,
                "waits": verdict.waits,
            }
            for key, verdict in found.by_point.items()
        ]
        return Response(
            {
                "rules": None if rules is None else dict(zip(RULES, rules, strict=True)),
                "time_zone": zone.key,
                "stored_bytes": found.preview.stored_bytes,
                "longest_chain": found.preview.longest_chain,
                "points": points,
            }
        )


def _count(request: Request, name: str) -> int:
    given = request.query_params[name]
    if not (given.isascii() and given.isdigit() and int(given[:9]) <= MOST_KEPT):
        raise ValidationError({name: f"It must be a whole number from 0 to {MOST_KEPT}."})
    return int(given)


def _body(request: Request, repository_id: int) -> dict[str, Any]:
    """With what workers last saw of it, and what is to be expected."""
    shown = access.repository(
        request.user,
        repository_id,
        Verb.VIEW,
        among=access.repositories_in_list(request.user),
    )
    signs = RepositorySignSerializer(shown.signs.order_by("host"), many=True)
    forecast = ForecastSerializer(_forecast(shown, access.counted(request.user)))
    return {**RepositorySerializer(shown).data, "forecast": forecast.data, "signs": signs.data}


def _forecast(repository: Repository, counted: QuerySet[VMContext] | None) -> dict[str, Any]:
    room = looks.look(repository).room
    return {
        **space.forecast_of(repository, room, about_now())._asdict(),
        "free_bytes": None if room is None else room.free_bytes,
        "total_bytes": None if room is None else room.total_bytes,
        "reserved_bytes": repository.reserve_bytes
        if room is None
        else reserve_bytes(repository, room.total_bytes),
        "under_way_bytes": under_way_bytes(repository.pk, among=counted),
    }
