"""The report of a day: a page, and a file of its breaches."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from contexts.clock import about_now
from replication.reports.daily import Among, Report, report
from replication.reports.failures import why_failed
from replication.states import Protection
from vmrep import access
from vmrep.notifications import report_words
from vmrep.web import csv_files, report_csv

SHOWN_BREACHES = 100


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    found = _report(request)
    content = {
        "report": found,
        "share": report_words.share(found),
        "states": [(state, found.states[state]) for state in Protection],
        "failures": [(why_failed(code), count) for code, count in found.failures.items()],
        "breaches": found.breaches[:SHOWN_BREACHES],
        "told": {each.context_id: each.apart for each in found.breaches},
        "more": max(0, len(found.breaches) - SHOWN_BREACHES),
        "this": _query(found, 0),
        "before": _query(found, -1),
        "after": _query(found, 1) if found.is_over else "",
    }
    return render(request, "reports/day.html", content)


@require_safe
def as_csv(request: HttpRequest) -> HttpResponseBase:
    found = _report(request)
    return csv_files.answer("report", report_csv.lines(found), day=found.day)


def _query(of: Report, days: int) -> str:
    """Which report is so many days from this one."""
    return urlencode({"day": of.day + timedelta(days=days), "time_zone": of.time_zone})


def _report(request: HttpRequest) -> Report:
    """Of the day and time zone that are asked for; what makes no sense is today, in UTC."""
    visible = access.visible(request.user)
    asked = request.GET.get("time_zone", "UTC")
    zone = asked if asked in available_timezones() else "UTC"
    now = about_now()
    today = now.astimezone(ZoneInfo(zone)).date()
    day = min(_day(request.GET.get("day", ""), today), today)
    return report(day, zone, Among(visible.contexts, visible.repositories), now)


def _day(asked: str, today: date) -> date:
    try:
        day = date.fromisoformat(asked[:10])
    except ValueError:
        return today
    return day if day.year > 2000 else today
