"""One recovery point: what it is, and what a user does with it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from contexts.errors import ContextError
from contexts.models import VMContext
from replication.models import RecoveryPoint
from replication.retention import services
from replication.retention.standing import Standing
from replication.retention.verdicts import Verdicts, in_effect, verdicts
from replication.retention.wanted import rules_in_effect
from replication.selectors.health import STORAGE
from replication.selectors.points import points_asked_to_go, points_in_detail, recovery_points
from replication.states import RecoveryPointState, Trigger
from replication.verify import services as verifying
from replication.verify.selectors import damages_of
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_cells, csv_files, live, outcome, versions
from vmrep.web.forms import KeepForm
from vmrep.web.tabs.points import PER_PAGE

SHOWN_DAMAGES = 50


@require_http_methods(["GET", "HEAD", "POST"])
def point(request: HttpRequest, context_id: str, point_id: int) -> HttpResponse:
    """The page; each of its forms says in `act` what to do."""
    vm = access.context(request.user, context_id, Verb.VIEW)
    if request.method == "POST":
        access.point(request.user, point_id, Verb.VIEW, of=vm)
        _act(request, vm, point_id)
        return redirect("point", context_id, point_id)
    version = versions.of_replication()
    if live.is_current(request, version):
        return live.nothing_new()
    shown = access.point(request.user, point_id, Verb.VIEW, among=points_in_detail(), of=vm)
    is_available = shown.state == RecoveryPointState.AVAILABLE
    content = {
        **{"vm": vm, "point": shown, "is_available": is_available},
        "why_it_stays": Standing(vm.pk).why_it_stays(shown.pk) if is_available else "",
        "verdict": in_effect(vm).by_point.get(shown.pk) if is_available else None,
        "damages": damages_of(shown, SHOWN_DAMAGES),
    }
    return live.respond(request, "virtual_machines/point.html", version, content)


def _verify(request: HttpRequest, point: RecoveryPoint) -> None:
    try:
        actor = request.user.get_username()
        verifying.request(point, trigger=Trigger.MANUAL, actor=actor)
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        _verification_was_asked_for(request)


def _act(request: HttpRequest, vm: VMContext, point_id: int) -> None:
    actor, text = request.user.get_username(), request.POST.get("comment", "")
    acts: dict[str, tuple[Verb, Callable[[RecoveryPoint], object], str]] = {
        "pin": (Verb.PIN, lambda it: services.pin(it, comment=text, actor=actor), "It is pinned."),
        "unpin": (Verb.UNPIN, lambda it: services.unpin(it, actor=actor), "It is not pinned now."),
        "comment": (
            *(Verb.COMMENT, lambda it: services.comment(it, text, actor=actor)),
            "The comment was saved.",
        ),
        "delete": (
            *(Verb.DELETE_POINT, lambda it: services.delete(it, actor=actor)),
            "It will be removed.",
        ),
        "cancel-verification": (
            *(Verb.VERIFY, lambda it: verifying.cancel_of_point(it, actor=actor)),
            "Its verification ends within seconds.",
        ),
    }
    if request.POST.get("act") == "verify":
        _verify(request, access.point(request.user, point_id, Verb.VERIFY, of=vm))
        return
    act = acts.get(request.POST.get("act", ""))
    if act is None:
        messages.error(request, "Nothing was done: the form did not say what to do.")
        return
    verb, do, told = act
    try:
        do(access.point(request.user, point_id, verb, of=vm))
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, told)


@require_POST
def verify_newest(request: HttpRequest, context_id: str) -> HttpResponse:
    """The VM's newest recovery point."""
    vm = access.context(request.user, context_id, Verb.VERIFY)
    try:
        asked = verifying.request_of_vm(
            vm, trigger=Trigger.MANUAL, actor=request.user.get_username()
        )
    except ContextError as problem:
        messages.error(request, str(problem))
        return redirect(f"{reverse('virtual-machines')}?{urlencode({'vm': vm.pk})}")
    _verification_was_asked_for(request)
    return redirect("point", context_id, asked.recovery_point_id)


def _verification_was_asked_for(request: HttpRequest) -> None:
    told = "It will be read back; this page says how far that has come."
    outcome.requested(request, told, waiting="The verification is waiting", queue=STORAGE)


@require_safe
def retention(request: HttpRequest, context_id: str) -> HttpResponseBase:
    """Which of the VM's points stay, and why, and which go in which order: by the rules in effect,
    or by those that the address tries. Nothing is changed."""
    vm = access.context(request.user, context_id, Verb.VIEW)
    rules, zone = rules_in_effect(vm.pk)
    tried = KeepForm(request.GET) if KeepForm.base_fields.keys() & request.GET.keys() else None
    is_tried = tried is not None and tried.is_valid()
    if tried is not None and is_tried:
        rules = tried.rules
    found = verdicts(vm, rules, zone)
    shown = recovery_points(vm, limit=None)
    if csv_files.is_wanted(request):
        return csv_files.of_rows("retention", csv_cells.points(found.by_point), shown)
    points = Paginator(shown, PER_PAGE).get_page(request.GET.get("page"))
    kept = dict(zip(KeepForm.base_fields, rules or (), strict=False))
    content = {
        "vm": vm,
        "form": tried or KeepForm(initial=kept),
        "is_tried": is_tried,
        "found": found,
        "page": points,
        "points": [(point, found.by_point.get(point.pk)) for point in points.object_list],
        **_counts(vm, found),
    }
    return render(request, "virtual_machines/retention.html", content)


def _counts(vm: VMContext, found: Verdicts) -> dict[str, int]:
    """How many points stay, go by the rules, and go because somebody asked for it."""
    asked = points_asked_to_go(vm)
    going = {key for key, each in found.by_point.items() if each.goes}
    return {
        "going": len(going),
        "asked": len(asked - going),
        "staying": len(found.by_point.keys() - going - asked),
    }
