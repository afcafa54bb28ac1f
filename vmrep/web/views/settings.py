"""What is set for the whole installation: the default RPO target."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from contexts.errors import TargetRefused
from replication.models import Installation
from replication.services import installation
from vmrep import access
from vmrep.access import Verb
from vmrep.web.formats import duration
from vmrep.web.forms import DefaultTargetForm


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    access.require(request.user, Verb.CHANGE, Installation)
    now = access.installation(request.user, Verb.CHANGE).default_rpo_target_seconds
    form = DefaultTargetForm(request.POST or None, now=now)
    if form.is_valid():
        seconds = form.cleaned_data["target"]
        try:
            installation.set_default_target(seconds, actor=request.user.get_username())
        except TargetRefused as problem:
            form.add_error("target", str(problem))
        else:
            told = "no target" if seconds is None else f"a target of {duration(seconds)}"
            messages.success(request, f"VMs without a target of their own now have {told}.")
            return redirect("settings")
    without_own = access.visible(request.user).managed.filter(rpo_target_seconds__isnull=True)
    return render(request, "settings.html", {"form": form, "vm_count": without_own.count()})
