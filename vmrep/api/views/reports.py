"""The report of a day."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo, available_timezones

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.clock import about_now
from replication.reports.daily import Among, report
from vmrep import access
from vmrep.api.lists import require_known
from vmrep.api.schema.operations import described, parameter
from vmrep.api.serializers.answers import ReportAnswer
from vmrep.api.views.base import View
from vmrep.notifications import report_words

MOST_BREACHES = 1000


class DailyReport(View):
    """GET: protection, breaches, volume and space of one day."""

    @described(
        ReportAnswer,
        parameters=[
            parameter("day", date, "Today, unless it says otherwise."),
            parameter("time_zone", str, "UTC, unless it says otherwise."),
        ],
    )
    def get(self, request: Request) -> Response:
        visible = access.visible(request.user)
        require_known(request, {"day", "time_zone"})
        zone = request.query_params.get("time_zone", "UTC")
        if zone not in available_timezones():
            raise ValidationError({"time_zone": "There is no such time zone."})
        now = about_now()
        today = now.astimezone(ZoneInfo(zone)).date()
        day = _day(request.query_params.get("day"), today)
        found = report(day, zone, Among(visible.contexts, visible.repositories), now)
        return Response(report_words.data(found, MOST_BREACHES))


def _day(asked: str | None, today: date) -> date:
    if asked is None:
        return today
    try:
        day = date.fromisoformat(asked[:20])
    except ValueError:
        raise ValidationError({"day": "It is a date, as 2026-11-30."}) from None
    if not date(2000, 1, 1) <= day <= today:
        raise ValidationError({"day": "There is no report of that day."})
    return day
