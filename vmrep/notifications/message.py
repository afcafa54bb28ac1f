"""What people and programs are told. Names of VMs, and what servers said, may be anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from urllib.parse import quote

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from contexts.clock import database_now
from contexts.models import VMContext
from contexts.namesakes import named, told_apart
from contexts.text import printable, storable
from replication.models import Occurrence, Repository
from replication.reports.daily import Among, report
from replication.states import OccurrenceKind
from vmrep.notifications import report_words
from vmrep.notifications.channels.base import Message
from vmrep.notifications.models import Delivery
from vmrep.notifications.states import Purpose

SHOWN_IN_DIGEST = 20
_LONGEST_SUBJECT = 160
_MOST_NAMESAKES = 20


def of_delivery(delivery: Delivery) -> Message:
    """Two queries for an occurrence, and for a digest."""
    if delivery.purpose == Purpose.TEST:
        return of_test(delivery)
    if delivery.purpose == Purpose.DIGEST:
        return _of_digest(delivery)
    if delivery.purpose == Purpose.REPORT and delivery.report_day is not None:
        return _of_report(delivery, delivery.report_day)
    occurrences = Occurrence.objects.select_related("vm_context__vcenter", "vcenter", "repository")
    occurrence = occurrences.get(deliveries=delivery)
    about = _about(occurrence)
    label = occurrence.get_kind_display()
    return _message(
        delivery,
        f"vmrep.{occurrence.kind}",
        occurrence.at,
        f"{label}: {about}" if about else label,
        [occurrence],
        _data(occurrence),
    )


def of_test(delivery: Delivery) -> Message:
    return _message(
        delivery,
        "vmrep.test",
        database_now(),
        "This is a test",
        [],
        {"channel": delivery.channel.name},
        intro=f"vmrep can reach you through the channel {delivery.channel.name}.",
    )


def _of_digest(delivery: Delivery) -> Message:
    members = Occurrence.objects.filter(deliveries__digest=delivery)
    counts = Counter(members.values_list("kind", flat=True))
    first = list(
        members.select_related("vm_context__vcenter", "vcenter", "repository").order_by("pk")[
            :SHOWN_IN_DIGEST
        ]
    )
    total = counts.total()
    named = [f"{count} × {OccurrenceKind(kind).label}" for kind, count in counts.most_common()]
    more = f" The first {len(first)} are:" if total > len(first) else ""
    return _message(
        delivery,
        "vmrep.digest",
        max((each.at for each in first), default=database_now()),
        f"{total} messages: {', '.join(named)}",
        first,
        {"count": total, "kinds": dict(counts), "first": [_data(each) for each in first]},
        intro=f"{total} messages: {', '.join(named)}.{more}",
    )


def _of_report(delivery: Delivery, day: date) -> Message:
    """Of all VMs: who gets a channel's messages hears of them all."""
    now = database_now()
    among = Among(VMContext.objects.all(), Repository.objects.all())
    found = report(day, delivery.channel.time_zone, among, now)
    content = {
        "report": found,
        "numbers": report_words.numbers(found),
        "breaches": report_words.breaches(found, SHOWN_IN_DIGEST),
        "more": max(0, len(found.breaches) - SHOWN_IN_DIGEST),
        "link": _page(f"{reverse('report')}?day={day}&time_zone={quote(found.time_zone)}"),
    }
    return Message(
        id=delivery.message_id,
        type="vmrep.report",
        at=now,
        subject=f"[vmrep] Report of {day}: {report_words.headline(found)}",
        text=render_to_string("notifications/report.txt", content),
        html=render_to_string("notifications/report.html", content),
        data=report_words.data(found, SHOWN_IN_DIGEST),
    )


def _message(
    delivery: Delivery,
    type_: str,
    at: datetime,
    subject: str,
    occurrences: Sequence[Occurrence],
    data: dict[str, object],
    *,
    intro: str = "",
) -> Message:
    content = {
        "intro": intro,
        "lines": [
            {
                "at": each.at,
                "what": printable(each.what),
                "where": printable(_where(each)),
                "link": _link(each),
            }
            for each in occurrences
        ],
    }
    return Message(
        id=delivery.message_id,
        type=type_,
        at=at,
        subject=storable(f"[vmrep] {printable(subject)}", _LONGEST_SUBJECT),
        text=render_to_string("notifications/mail.txt", content),
        html=render_to_string("notifications/mail.html", content),
        data=data,
    )


def _where(occurrence: Occurrence) -> str:
    """Which VM it is: a message may be all that somebody sees of vmrep. Empty if about none."""
    vm = occurrence.vm_context
    return f"{vm}: {named(vm).whereabouts}" if vm else ""


def _about(occurrence: Occurrence) -> str:
    """By name; with what differs where another VM under management has the same name."""
    vm = occurrence.vm_context
    if vm is not None and vm.vm_name:
        same = VMContext.objects.filter(vm_name=vm.vm_name, unmanaged_at__isnull=True)
        told = told_apart(map(named, [vm, *same.select_related("vcenter")[:_MOST_NAMESAKES]]))
        return f"{vm.vm_name} ({told[vm.pk]})" if vm.pk in told else vm.vm_name
    for row in (occurrence.vm_context, occurrence.vcenter, occurrence.repository):
        if row is not None:
            return str(getattr(row, "vm_name", None) or getattr(row, "name", None) or row.pk)
    return ""


def _data(occurrence: Occurrence) -> dict[str, object]:
    vm = occurrence.vm_context
    vcenter = occurrence.vcenter or (vm.vcenter if vm else None)
    return {
        "occurrence_id": occurrence.pk,
        "kind": occurrence.kind,
        "at": occurrence.at.isoformat(),
        "what": occurrence.what,
        "context_id": occurrence.vm_context_id,
        "vm_name": vm.vm_name if vm else None,
        "vcenter": vcenter.name if vcenter else None,
        "repository": occurrence.repository.name if occurrence.repository else None,
        "job_id": occurrence.job_id,
        "link": _link(occurrence) or None,
    }


def _link(occurrence: Occurrence) -> str:
    """To the page that shows more; empty if this installation's address is not known."""
    if occurrence.job_id:
        page = reverse("job", args=[occurrence.job_id])
    elif occurrence.vm_context_id:
        page = f"{reverse('virtual-machines')}?vm={occurrence.vm_context_id}"
    else:
        page = reverse("health")
    return _page(page)


def _page(path: str) -> str:
    return str(settings.BASE_URL).rstrip("/") + path if settings.BASE_URL else ""
