"""Whether a VM under a new instance UUID is a known VM: an operator compares and decides."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from contexts import presence
from contexts.errors import ContextError
from contexts.models import DiscoveredVM
from contexts.services import identity
from vmrep import access
from vmrep.access import Verb


@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest, vcenter_id: int, vm_id: int) -> HttpResponse:
    """The page that names both VMs; its two buttons confirm or reject."""
    vm = access.discovered_vm(request.user, vcenter_id, vm_id, Verb.IDENTIFY)
    if request.method == "POST":
        return _decided(request, vm)
    context = presence.probable_context(vm, also_rejected=True)
    if context is not None:
        context = access.context(request.user, context.pk, Verb.IDENTIFY)
    if context is None:
        raise Http404("This VM is not known under another instance UUID.")
    return render(request, "discovery/identity.html", {"vm": vm, "known": context})


def _decided(request: HttpRequest, vm: DiscoveredVM) -> HttpResponse:
    context = access.context(request.user, request.POST.get("context", ""), Verb.IDENTIFY)
    actor = request.user.get_username()
    discovery = f"{reverse('discovery')}?{urlencode({'vcenter': vm.vcenter_id})}"
    try:
        if request.POST.get("decision") == "same":
            identity.confirm(vm, context, actor=actor)
        elif request.POST.get("decision") == "another":
            identity.reject(vm, context, actor=actor)
        else:
            messages.error(request, "Say whether it is the same VM or another one.")
            return redirect("discovery-identity", vm.vcenter_id, vm.pk)
    except ContextError as problem:
        messages.error(request, str(problem))
        return redirect(discovery)
    if request.POST["decision"] == "another":
        messages.success(request, f"{vm.vm_name} is another VM. You can take it as a new one.")
        return redirect(discovery)
    messages.success(request, f"{vm.vm_name} is the same VM and continues its history.")
    return redirect(f"{reverse('virtual-machines')}?{urlencode({'vm': context.pk})}")
