"""What is in a vCenter, what stands in the way of protecting it, and taking it."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from contexts import selectors
from contexts.errors import ContextError
from contexts.filters import DiscoveredVMFilter
from contexts.models import VCenter
from contexts.services import discovery, management
from contexts.states import ContextStatus
from replication.models import Repository
from vmrep.web import live, versions
from vmrep.web.formats import plural
from vmrep.web.forms import TakeForm
from vmrep.web.tables import DiscoveredVMTable


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    vcenters = list(VCenter.objects.all())
    vcenter = _chosen(vcenters, request.GET.get("vcenter"))
    version = versions.of_discovery(vcenter)
    if live.is_current(request, version):
        return live.nothing_new()
    context = {"vcenters": vcenters, "vcenter": vcenter}
    if vcenter is not None:
        rows = selectors.discovered_vms(vcenter)
        filters = DiscoveredVMFilter(request.GET, queryset=rows)
        context |= {
            "discovery": selectors.newest_discovery(vcenter),
            "filters": filters,
            "table": DiscoveredVMTable.of(filters.qs, request),
            "repositories": list(Repository.objects.all()),
        }
    return live.respond(request, "discovery", version, context)


def _chosen(vcenters: list[VCenter], asked_for: str | None) -> VCenter | None:
    """The vCenter of the address; the first one when the address names none."""
    if not asked_for:
        return vcenters[0] if vcenters else None
    for vcenter in vcenters:
        if str(vcenter.pk) == asked_for:
            return vcenter
    raise Http404("There is no such vCenter.")


@require_POST
def start(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    vcenter = get_object_or_404(VCenter, pk=vcenter_id)
    discovery.request(vcenter, actor=request.user.get_username())
    return redirect(f"{reverse('discovery')}?{urlencode({'vcenter': vcenter.pk})}")


@require_POST
def take(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    vcenter = get_object_or_404(VCenter, pk=vcenter_id)
    form = TakeForm(request.POST, vms=selectors.discovered_vms(vcenter))
    here = f"{reverse('discovery')}?{urlencode({'vcenter': vcenter.pk})}"
    if not form.is_valid():
        messages.error(request, form.first_error())
        return live.back(request, here)
    try:
        taken = management.take(
            form.cleaned_data["vm"],
            repository=form.cleaned_data["repository"],
            actor=request.user.get_username(),
        )
    except ContextError as problem:
        messages.error(request, str(problem))
        return live.back(request, here)
    messages.success(request, f"{plural(len(taken), 'VM is', 'VMs are')} under management now.")
    view = {"vm": taken[0].pk} if len(taken) == 1 else {"status": ContextStatus.DISCOVERED.value}
    return redirect(f"{reverse('virtual-machines')}?{urlencode(view)}")
