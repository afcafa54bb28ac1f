"""What does not start by itself for now, and pausing it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from contexts.models import VMContext
from replication.errors import PauseRefused
from replication.models import Pause
from replication.selectors import pauses as selector
from replication.services import pauses
from replication.services.pauses import Subject
from replication.states import PauseKind
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_cells, csv_files
from vmrep.web.pause_forms import PauseForm


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponseBase:
    """The pauses that hold, and a form for another; with `vm` in the address, of that VM."""
    wanted = request.GET.get("vm")
    vm = access.context(request.user, wanted, Verb.PAUSE) if wanted else None
    form = None
    if request.method == "POST":
        access.require(request.user, Verb.PAUSE, Pause)
    if access.may(request.user, Verb.PAUSE, Pause):
        form = _form(request, vm)
        if form.is_valid() and _paused(request, form):
            return redirect("pauses")
    shown = list(selector.shown(access.pauses(request.user)))
    endable = access.keys(request.user, Verb.PAUSE, shown)
    if csv_files.is_wanted(request):
        return csv_files.answer("pauses", csv_files.lines(csv_cells.PAUSES, shown))
    content = {"form": form, "vm": vm, "pauses": shown, "endable": endable}
    return render(request, "pauses/index.html", content)


def _form(request: HttpRequest, vm: VMContext | None) -> PauseForm:
    """Offers what the user may pause."""
    return PauseForm(
        request.POST or None,
        vm=vm,
        vcenters=access.pausable_vcenters(request.user),
        policies=access.pausable_policies(request.user),
        all_vms=access.may_pause_all(request.user),
    )


def _paused(request: HttpRequest, form: PauseForm) -> bool:
    values = form.cleaned_data
    kind = values["kind"]
    subject = Subject(
        kind,
        values["vcenter"] if kind == PauseKind.VCENTER else None,
        values["policy"] if kind == PauseKind.POLICY else None,
        form.vm if kind == PauseKind.VM else None,
    )
    actor = request.user.get_username()
    try:
        pause = pauses.pause(subject, until=form.until, reason=values["reason"], actor=actor)
    except PauseRefused as problem:
        form.add_error(None, str(problem))
        return False
    told = f"Paused: {selector.subject(pause)}. What runs goes on; nothing starts by itself."
    messages.success(request, told)
    return True


@require_POST
def end(request: HttpRequest, pause_id: int) -> HttpResponse:
    pause = access.pause(request.user, pause_id, Verb.PAUSE)
    pauses.end(pause, actor=request.user.get_username())
    messages.success(request, f"The pause of {selector.subject(pause)} has ended.")
    return redirect("pauses")
