"""What an operator sets for one VM: the RPO target and other own values, a policy of its own, and
disks to leave out."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from contexts import trail
from contexts.errors import ContextError
from contexts.models import VMContext
from contexts.services import protection
from contexts.services.transactions import EDIT, one_at_a_time
from replication.policies import durations, effective, services
from replication.policies.choices import TARGET_WORDS
from replication.policies.values import REPOSITORY
from vmrep import access
from vmrep.access import Verb
from vmrep.web import live
from vmrep.web.edits import EditedMeanwhile, Stored
from vmrep.web.forms import RPOTargetForm
from vmrep.web.policy_forms import GivenPolicyForm, ValuesForm, initial_values


@require_POST
def rpo_target(request: HttpRequest, context_id: str) -> HttpResponse:
    vm = access.context(request.user, context_id, Verb.SET_TARGET)
    form = RPOTargetForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"RPO target: {form.errors['target'][0]}")
        return _back(request, vm)
    seconds = form.cleaned_data["target"]
    try:
        with transaction.atomic(), trail.gathered():
            one_at_a_time(EDIT)
            _require_unchanged(vm, request.POST.get("shown"))
            services.set_own(vm, services.target(seconds), actor=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        told = "the RPO target that the policies say"
        if seconds is not None:
            told = f"an RPO target of {durations.words(seconds)}"
        messages.success(request, f"{vm} now has {told}.")
    return _back(request, vm)


def _require_unchanged(vm: VMContext, shown: str | None) -> None:
    """`shown`: which target the menu showed; None: whoever asks has no menu. Raises
    EditedMeanwhile."""
    vm.refresh_from_db(fields=["rpo_target_seconds"])
    target = effective.target_of(vm)
    if shown not in (None, target.seen(vm)):
        words = durations.words(vm.rpo_target_seconds) if vm.rpo_target_seconds else "none"
        raise EditedMeanwhile(
            f"Somebody changed the RPO target of {vm} after you opened the menu: it is {words} now"
            f"{target.source and ', '}{target.source}. Nothing was changed; choose again."
        )


@require_POST
def policy(request: HttpRequest, context_id: str) -> HttpResponse:
    """Give the VM a policy instead of the one that it was given; `policy` empty: none."""
    vm = access.context(request.user, context_id, Verb.CHANGE)
    form = GivenPolicyForm(request.POST, among=access.policies(request.user))
    if not form.is_valid():
        messages.error(request, "That policy is no longer there. Choose another one.")
        return _back(request, vm)
    given = form.cleaned_data["policy"]
    try:
        services.give(vm, given, actor=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        told = f"Policy {given} applies to {vm} now." if given else f"{vm} has no policy alone now."
        messages.success(request, told)
    return _back(request, vm)


@require_http_methods(["GET", "HEAD", "POST"])
def own_values(request: HttpRequest, context_id: str) -> HttpResponse:
    vm = access.context(request.user, context_id, Verb.CHANGE)
    stored = partial(_stored, vm)
    form = ValuesForm(request.POST or None, initial=stored(), reread=stored)
    back = f"{reverse('virtual-machines')}?{urlencode({'vm': vm.pk, 'tab': 'policy'})}"
    if form.is_valid():
        given = {name: value for name, value in form.given().items() if name != REPOSITORY}
        actor = request.user.get_username()
        try:
            form.saved(lambda: services.set_own(vm, given, form.windows(), actor=actor))
        except ContextError as problem:
            form.add_error(None, str(problem))
        if form.is_valid():
            messages.success(request, f"The own values of {vm} were saved.")
            return redirect(back)
    content = {"form": form, "vm": vm, "back": back, "targets": TARGET_WORDS}
    return render(request, "virtual_machines/own_values.html", content, status=form.status)


def _stored(vm: VMContext) -> Stored:
    return initial_values(services.own_values(vm))


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
