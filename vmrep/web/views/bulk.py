"""Starting and cancelling the replication of the VMs that are ticked in the table."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from contexts.models import VMContext
from contexts.text import plural
from replication.errors import TooMany
from replication.selectors.health import COPIES
from replication.services import bulk
from replication.states import BulkKind, Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.web import live
from vmrep.web.outcome import missing_now

STARTED = ("replication was started", "replications were started")
WAITING = ("replication is waiting", "replications are waiting")
CANCELLED = ("replication is being cancelled", "replications are being cancelled")
NAMED = 5
LONGEST_REASON = 200


@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """`vm` (repeated) and `action`: start, or cancel with `confirmed`; unconfirmed it asks."""
    here = reverse("virtual-machines")
    if request.POST.get("everything"):
        return _ask_about_all(request)
    actor = request.user.get_username()
    action = request.POST.get("action")
    verb = Verb.CANCEL if action == "cancel" else Verb.REPLICATE
    among = access.rows(request.user, verb, VMContext.objects.all())
    context_ids = request.POST.getlist("vm")
    if not context_ids:
        messages.error(request, "No VM is selected. Tick the VMs in the table.")
        return live.back(request, here)
    try:
        if action == "cancel" and not request.POST.get("confirmed"):
            return _ask(request, among, bulk.few(context_ids))
        if action == "start":
            outcome = bulk.start(among, context_ids, trigger=Trigger.MANUAL, requested_by=actor)
            _tell(request, outcome, STARTED)
        elif action == "cancel":
            _tell(request, bulk.cancel(among, context_ids, actor=actor), CANCELLED)
        else:
            messages.error(request, "Nothing was done: choose Replicate or Cancel.")
    except TooMany as problem:
        messages.error(request, str(problem))
    return live.back(request, here)


def _ask_about_all(request: HttpRequest) -> HttpResponse:
    """All that the page's filters find are for a worker. With htmx the browser goes to the page
    that asks, instead of showing it as a part of this one."""
    kind = BulkKind.CANCEL if request.POST.get("action") == "cancel" else BulkKind.REPLICATE
    names = ("everything", "view")
    wanted = {"kind": kind.value, **{name: request.POST.get(name, "") for name in names}}
    address = f"{reverse('bulk-ask')}?{urlencode(wanted)}"
    return HttpResponseClientRedirect(address) if live.htmx(request) else redirect(address)


def _ask(request: HttpRequest, among: QuerySet[VMContext], context_ids: list[str]) -> HttpResponse:
    """The question as a separate page, for browsers without JavaScript."""
    vms = among.filter(pk__in=context_ids, current_job__isnull=False)
    content = {
        "vms": vms.order_by("vm_name", "pk"),
        "idle_count": len(context_ids) - len(vms),
        "next": request.POST.get("next", ""),
        "back": live.way_back(request, reverse("virtual-machines")),
    }
    response = render(request, "virtual_machines/bulk_cancel.html", content)
    patch_cache_control(response, no_store=True)
    return response


def _tell(request: HttpRequest, outcome: bulk.Outcome, done: tuple[str, str]) -> None:
    """One notice: for how many VMs it was done, and which were refused and why."""
    told, is_clean = what_was_done(outcome, done)
    level = messages.SUCCESS if is_clean else messages.WARNING
    messages.add_message(request, level if outcome.done else messages.ERROR, told)


def what_was_done(outcome: bulk.Outcome, done: tuple[str, str]) -> tuple[str, bool]:
    """The text of the notice, and whether all went well: nothing refused, a worker at hand."""
    parts, missing = [], ""
    if outcome.done:
        missing = missing_now(COPIES)
        if missing and done == STARTED:
            done = WAITING
        parts.append(f"{plural(outcome.done, *done)}{f': {missing}' if missing else '.'}")
    if outcome.refused:
        parts.append(_refusals(outcome))
    return " ".join(parts), not outcome.refused and not missing


def _refusals(outcome: bulk.Outcome) -> str:
    """The reasons for the first few, which name the VM; then how many more there are."""
    named = [_shortened(refusal.reason) for refusal in outcome.refused[:NAMED]]
    more = len(outcome.refused) - len(named)
    told = f"{plural(len(outcome.refused), 'VM was', 'VMs were')} refused: {' '.join(named)}"
    return f"{told} And {more:,} more." if more else told


def _shortened(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"
