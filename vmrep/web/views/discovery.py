"""What is in a vCenter, what prevents protecting it, and taking it under management."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from contexts import folders, selectors
from contexts.clock import about_now
from contexts.database_errors import is_race
from contexts.errors import ContextError
from contexts.filters import DiscoveredVMFilter
from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext
from contexts.services import discovery, management
from contexts.services.management import MOST_AT_ONCE
from contexts.states import DiscoveryStatus
from contexts.text import plural
from replication.policies import taking
from replication.selectors import protection
from replication.selectors.health import CONTROL
from replication.selectors.protection import Protection, facts_of, state_of
from replication.services import bulk
from replication.states import Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_files, live, outcome, saved_views, versions
from vmrep.web.forms import RPO_TARGETS, TakeForm
from vmrep.web.models import ViewPage
from vmrep.web.tables import DiscoveredVMTable, Table
from vmrep.web.views.bulk import STARTED, what_was_done

_NAMED = 3
_WAITING_LONG = timedelta(seconds=30)


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    if begins := saved_views.beginning(request, ViewPage.DISCOVERY):
        return begins
    vcenters = list(access.vcenters(request.user))
    vcenter = _chosen(vcenters, request.GET.get("vcenter"))
    version = versions.of_discovery(vcenter)
    if live.is_current(request, version):
        return live.nothing_new()
    if vcenter is not None and csv_files.is_wanted(request):
        rows = _filtered(request.user, vcenter, request.GET).qs
        return csv_files.of_table("discovery", DiscoveredVMTable, rows, request)
    content: dict[str, Any] = {"vcenters": vcenters, "vcenter": vcenter}
    if vcenter is not None:
        content |= _contents(request, vcenter)
    return live.respond(request, "discovery/index.html", version, content)


def _contents(request: HttpRequest, vcenter: VCenter) -> dict[str, Any]:
    run = access.newest_discovery(request.user, vcenter)
    filters = _filtered(request.user, vcenter, request.GET)
    is_tree = request.GET.get("view") == "tree"
    table = DiscoveredVMTable.for_request(filters.qs, request)
    return {
        "discovery": run,
        "changeable": access.keys(request.user, Verb.CHANGE, [vcenter]),
        "is_waiting_long": run is not None and _is_waiting_long(run),
        "counts": selectors.discovered_counts(_discovered(request.user, vcenter)),
        "filters": filters,
        "table": table,
        "protection": _protection(request.user, table),
        "everything_count": _everything(filters).count(),
        "most_at_once": MOST_AT_ONCE,
        "repositories": list(access.repositories(request.user)),
        "rpo_targets": RPO_TARGETS,
        "tree": _tree(request.user, vcenter, request.GET) if is_tree else None,
        "folder": request.GET.get("folder", ""),
    }


def _protection(user: access.User, table: Table) -> dict[str, Protection]:
    """By context ID, how well the managed VMs of the page are protected."""
    managed = [vm.managed_context_id for vm in table.page.object_list.data if vm.managed_context_id]
    terms = protection.terms(about_now())
    contexts = access.rows(user, Verb.VIEW, VMContext.objects.filter(pk__in=managed))
    return {context.pk: state_of(facts_of(context), terms) for context in contexts}


def _filtered(user: access.User, vcenter: VCenter, query: QueryDict) -> DiscoveredVMFilter:
    return DiscoveredVMFilter(query, queryset=_discovered(user, vcenter))


def _discovered(user: access.User, vcenter: VCenter) -> QuerySet[selectors.DiscoveredVMInList]:
    return access.rows(user, Verb.VIEW, selectors.discovered_vms(vcenter, also_gone=True))


def _everything(filters: DiscoveredVMFilter) -> QuerySet[DiscoveredVM]:
    """All matching VMs that can be taken, except those with a notice, which are taken one by one.
    VMs whose replication would be refused are included only when somebody filters for exactly
    those."""
    rows = filters.qs.filter(notices=[])  # it also reads the form
    only_refused = filters.form.cleaned_data.get("refused")
    return selectors.takable(rows) if only_refused else selectors.takable_as_it_is(rows)


def _tree(user: access.User, vcenter: VCenter, query: QueryDict) -> folders.Folder:
    """The folders of the VMs that match the other filters."""
    elsewhere = query.copy()
    elsewhere.pop("folder", None)
    rows = _filtered(user, vcenter, elsewhere).qs
    return folders.tree(rows.order_by().values_list("vm_path", flat=True))


def _is_waiting_long(run: Discovery) -> bool:
    is_waiting = run.status == DiscoveryStatus.PENDING
    return is_waiting and about_now() - run.created_at > _WAITING_LONG


def _chosen(vcenters: list[VCenter], asked_for: str | None) -> VCenter | None:
    """The vCenter that the address names; the first one if it names none."""
    if not asked_for:
        return vcenters[0] if vcenters else None
    for vcenter in vcenters:
        if str(vcenter.pk) == asked_for:
            return vcenter
    raise Http404("There is no such vCenter.")


@require_POST
def start(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    vcenter = access.vcenter(request.user, vcenter_id, Verb.DISCOVER)
    try:
        discovery.request(vcenter, actor=request.user.get_username())
    except ContextError as problem:
        messages.error(request, str(problem))
        return redirect("discovery")
    outcome.requested(
        request, "", waiting=f"The discovery of {vcenter.name} is waiting", queue=CONTROL
    )
    return live.back(request, f"{reverse('discovery')}?{urlencode({'vcenter': vcenter.pk})}")


@require_POST
def take(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    vcenter = access.vcenter(request.user, vcenter_id, Verb.VIEW)
    form = TakeForm(
        request.POST,
        vms=access.rows(request.user, Verb.TAKE, selectors.discovered_vms(vcenter)),
        repositories=access.repositories(request.user),
    )
    here = f"{reverse('discovery')}?{urlencode({'vcenter': vcenter.pk})}"
    if not form.is_valid():
        messages.error(request, form.first_error())
        return live.back(request, here)
    vms, left = _meant(form, request, vcenter)
    try:
        taken = taking.take(
            vms,
            repository=form.cleaned_data["repository"],
            actor=request.user.get_username(),
            target_seconds=form.cleaned_data["rpo_target"],
        )
    except ContextError as problem:
        messages.error(request, str(problem))
        return live.back(request, here)
    except IntegrityError as problem:
        if not is_race(problem):
            raise
        gone = "The vCenter or the repository was removed at the same moment: no VM was taken."
        messages.error(request, gone)
        return redirect("discovery")
    started = _replicate(request, vms, taken) if form.cleaned_data["replicate"] else None
    _tell(request, vms, left, started)
    if not taken.contexts:
        return live.back(request, here)
    view: dict[str, object] = {"taken": taken.taking}
    if len(taken.contexts) == 1:
        view["vm"] = taken.contexts[0].pk
    return redirect(f"{reverse('virtual-machines')}?{urlencode(view)}")


def _meant(
    form: TakeForm, request: HttpRequest, vcenter: VCenter
) -> tuple[list[DiscoveredVM], int]:
    """The VMs to take now, and how many are left for later."""
    if not form.cleaned_data["everything"]:
        return list(form.cleaned_data["vm"]), 0
    filtered = _filtered(request.user, vcenter, QueryDict(form.cleaned_data["view"]))
    found = access.rows(request.user, Verb.TAKE, _everything(filtered))
    return list(found[:MOST_AT_ONCE]), max(found.count() - MOST_AT_ONCE, 0)


def _replicate(
    request: HttpRequest, vms: Sequence[DiscoveredVM], taken: management.Taken
) -> bulk.Outcome:
    """Start those just taken that vmrep would not refuse: a job that must fail helps nobody."""
    ready = [context.pk for vm, context in zip(vms, taken.contexts, strict=True) if not vm.refusals]
    return bulk.start(
        access.rows(request.user, Verb.REPLICATE, VMContext.objects.all()),
        ready,
        trigger=Trigger.MANUAL,
        requested_by=request.user.get_username(),
    )


def _tell(
    request: HttpRequest, vms: Sequence[DiscoveredVM], left: int, started: bulk.Outcome | None
) -> None:
    """Tell how many were taken, how many of them `started`, and which vmrep would refuse."""
    if not vms:
        messages.error(request, "There are no VMs left to take.")
        return
    told = [f"{plural(len(vms), 'VM is', 'VMs are')} now under management."]
    is_clean = not left
    if started and (started.done or started.refused):
        words, all_began = what_was_done(started, STARTED)
        told.append(words)
        is_clean = is_clean and all_began
    if left:
        told.append(f"{left:,} more can be taken the same way.")
    refused = [vm for vm in vms if vm.refusals]
    if refused:
        some = ", ".join(_why(vm) for vm in refused[:_NAMED])
        more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        which = "it" if len(vms) == 1 else f"{len(refused)} of them"
        they_are = "it is" if len(refused) == 1 else "they are"
        told.append(f"vmrep would refuse to replicate {which} as {they_are} now: {some}{more}.")
    level = messages.WARNING if refused or not is_clean else messages.SUCCESS
    messages.add_message(request, level, " ".join(told))


def _why(vm: DiscoveredVM) -> str:
    """pgtest1 (has a snapshot)"""
    first = vm.refusals[0]
    return f"{vm.vm_name or vm.moref} ({first.get('summary') or first['reason']})"
