"""What an operator sets in a VM's panel: the RPO target, and disks to leave out."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from contexts.errors import ContextError
from contexts.models import VMContext
from contexts.services import protection
from vmrep import access
from vmrep.access import Verb
from vmrep.web import live
from vmrep.web.formats import duration
from vmrep.web.forms import RPOTargetForm


@require_POST
def rpo_target(request: HttpRequest, context_id: str) -> HttpResponse:
    vm = access.context(request.user, context_id, Verb.CHANGE)
    form = RPOTargetForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["seconds"][0]))
        return _back(request, vm)
    seconds = form.cleaned_data["seconds"]
    try:
        protection.set_rpo_target(vm, seconds, actor=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        told = "no RPO target" if seconds is None else f"an RPO target of {duration(seconds)}"
        messages.success(request, f"{vm} now has {told}.")
    return _back(request, vm)


@require_POST
def disk(request: HttpRequest, context_id: str, disk_id: int) -> HttpResponse:
    """`wish` is "leave_out", which has to be `confirmed`, or "protect"."""
    vm = access.context(request.user, context_id, Verb.CHANGE)
    disk = access.disk(request.user, vm, disk_id, Verb.CHANGE)
    name, actor = disk.label or disk.disk_id, request.user.get_username()
    try:
        if request.POST.get("wish") == "leave_out":
            if request.POST.get("confirmed") != "yes":
                messages.error(request, f"Confirm that {vm} is to be replicated without {name}.")
                return _back(request, vm)
            protection.leave_out(disk, actor=actor)
            told = f"From now on {vm} is replicated without {name}."
        elif request.POST.get("wish") == "protect":
            protection.protect_again(disk, actor=actor)
            told = f"{vm} is no longer replicated without {name}."
        else:
            messages.error(request, "Say whether to leave the disk out or to protect it.")
            return _back(request, vm)
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, told)
    return _back(request, vm)


def _back(request: HttpRequest, vm: VMContext) -> HttpResponse:
    return live.back(request, f"{reverse('virtual-machines')}?{urlencode({'vm': vm.pk})}")
