"""How much there may be at once, and how fast disks may be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from contexts.clock import about_now
from replication.hours import minutes_in_words
from replication.models import BandwidthWindow, Limit
from replication.selectors import usage
from replication.selectors.limits import Resource
from replication.services.bandwidth import set_windows
from replication.services.limits import set_limit
from replication.states import LimitKind
from vmrep import access
from vmrep.access import Verb
from vmrep.api.bodies import read
from vmrep.api.etags import if_unchanged
from vmrep.api.limit_bodies import DAYS, ChangedBandwidth, ChangedLimit, window
from vmrep.api.lists import require_known
from vmrep.api.schema.operations import described
from vmrep.api.serializers.answers import BandwidthAnswer, LimitsAnswer
from vmrep.api.views.base import View, username


class Limits(View):
    """GET: all limits, with how much is in use. PUT: set one."""

    @staticmethod
    def editable(answer: Mapping[str, Any]) -> Any:
        """The limits that somebody has set."""
        own = (each for each in answer["limits"] if each["is_own"])
        return [[each["kind"], each["resource"], each["limit"]] for each in own]

    @described(LimitsAnswer)
    def get(self, request: Request) -> Response:
        require_known(request, ())
        return Response(
            {"limits": [use._asdict() for use in usage.uses(access.limited(request.user))]}
        )

    @described(LimitsAnswer, body=ChangedLimit)
    @if_unchanged
    def put(self, request: Request) -> Response:
        require_known(request, ())
        access.require(request.user, Verb.LIMIT, Limit)
        wanted = read(ChangedLimit, request.data)
        resource = Resource(LimitKind(wanted["kind"]), wanted["resource"])
        set_limit(resource, wanted["limit"], actor=username(request))
        return self.get(request)


class Bandwidth(View):
    """GET: how fast disks are read, and may be. PUT: the windows of a vCenter, or of all others."""

    @staticmethod
    def editable(answer: Mapping[str, Any]) -> Any:
        return [[each["vcenter_id"], each["windows"]] for each in answer["bandwidth"]]

    @described(BandwidthAnswer)
    def get(self, request: Request) -> Response:
        require_known(request, ())
        rows = usage.reading(access.limited(request.user), about_now())
        return Response({"bandwidth": [_reading(row) for row in rows]})

    @described(BandwidthAnswer, body=ChangedBandwidth)
    @if_unchanged
    def put(self, request: Request) -> Response:
        require_known(request, ())
        access.require(request.user, Verb.LIMIT, BandwidthWindow)
        wanted = read(ChangedBandwidth, request.data)
        windows = [window(values) for values in wanted["windows"]]
        set_windows(wanted["vcenter_id"], windows, actor=username(request))
        return self.get(request)


def _reading(row: usage.Reading) -> dict[str, Any]:
    return {**row._asdict(), "windows": [_window(each) for each in row.windows]}


def _window(window: BandwidthWindow) -> dict[str, Any]:
    return {
        "bytes_per_second": window.bytes_per_second,
        "days": [day for number, day in enumerate(DAYS) if window.days & 1 << number],
        "begin": minutes_in_words(window.from_minute),
        "end": minutes_in_words(window.to_minute),
        "time_zone": window.time_zone,
    }
