"""Groups of VMs that are replicated together, and the order in which they are failed over."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from contexts.clock import about_now
from contexts.errors import ContextError
from contexts.text import plural
from replication.models import VMGroup
from replication.selectors import groups as selector
from replication.selectors import protection
from replication.selectors.health import COPIES
from replication.services import group_runs, groups
from replication.states import Trigger
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_cells, csv_files, live, outcome, versions
from vmrep.web.group_forms import GroupForm, MemberForm


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponseBase:
    """All groups, and a form for another one; with `vm` in the address, which of them to put that
    VM into."""
    wanted = request.GET.get("vm")
    vm = access.context(request.user, wanted, Verb.GROUP) if wanted else None
    form = GroupForm(request.POST or None)
    if request.method == "POST":
        access.require(request.user, Verb.ADD, VMGroup)
        if form.is_valid() and (made := _added(request, form)):
            return redirect("group", made.pk)
    groups_seen = list(access.groups(request.user))
    among = access.counted(request.user)
    shown = selector.shown(groups_seen, protection.terms(about_now()), among=among)
    if csv_files.is_wanted(request):
        return csv_files.answer("groups", csv_files.lines(csv_cells.GROUPS_OF_VMS, shown))
    content = {
        "groups": shown,
        "changeable": access.keys(request.user, Verb.CHANGE, groups_seen),
        "form": form,
        "vm": vm,
        "its_group": vm and selector.group_of(vm),
    }
    return render(request, "groups/index.html", content)


def _added(request: HttpRequest, form: GroupForm) -> VMGroup | None:
    try:
        made = groups.add(form.cleaned_data["name"], actor=request.user.get_username())
    except ContextError as problem:
        form.add_error("name", str(problem))
        return None
    messages.success(request, f"The group {made} was made. Now add its VMs.")
    return made


@require_safe
def detail(request: HttpRequest, group_id: int) -> HttpResponse:
    version = versions.of_groups()
    if live.is_current(request, version):
        return live.nothing_new()
    group = access.group(request.user, group_id, Verb.VIEW)
    return _page(request, group)


def _page(request: HttpRequest, group: VMGroup, **forms: Any) -> HttpResponse:
    terms = protection.terms(about_now())
    among = access.counted(request.user)
    (shown,) = selector.shown([group], terms, runs=selector.MOST_RUNS, among=among)
    content = {
        "shown": shown,
        "may_change": bool(access.keys(request.user, Verb.CHANGE, [group])),
        "rename": _name_form(request, group),
        "add": MemberForm(None, among=_free(request, group)),
        **forms,
    }
    return live.respond(request, "groups/group.html", versions.of_groups(), content)


def _name_form(request: HttpRequest, group: VMGroup, data: Any = None) -> GroupForm:
    def stored() -> dict[str, Any]:
        return {"name": access.group(request.user, group.pk, Verb.VIEW).name}

    return GroupForm(data, initial={"name": group.name}, reread=stored)


def _free(request: HttpRequest, group: VMGroup) -> Any:
    return selector.free_vms(access.groupable(request.user), group)


@require_POST
def rename(request: HttpRequest, group_id: int) -> HttpResponse:
    group = access.group(request.user, group_id, Verb.CHANGE)
    form = _name_form(request, group, request.POST)
    if form.is_valid():
        name, actor = form.cleaned_data["name"], request.user.get_username()
        try:
            form.saved(lambda: groups.rename(group, name, actor=actor))
        except ContextError as problem:
            form.add_error("name", str(problem))
        if form.is_valid():
            return redirect("group", group_id)
    answer = _page(request, group, rename=form)
    answer.status_code = form.status
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, group_id: int) -> HttpResponse:
    group = access.group(request.user, group_id, Verb.REMOVE)
    if request.method == "POST":
        try:
            groups.delete(group, actor=request.user.get_username())
        except ContextError as problem:
            messages.error(request, str(problem))
            return redirect("group-remove", group_id)
        messages.success(request, f"The group {group} was deleted. Its VMs stay as they are.")
        return redirect("groups")
    count = group.members.count()
    return render(request, "groups/remove.html", {"group": group, "count": count})


@require_POST
def add_member(request: HttpRequest, group_id: int) -> HttpResponse:
    group = access.group(request.user, group_id, Verb.CHANGE)
    form = MemberForm(request.POST, among=_free(request, group))
    if form.is_valid():
        vm = form.cleaned_data["vm"]
        try:
            groups.add_member(group, vm, actor=request.user.get_username())
        except ContextError as problem:
            form.add_error("vm", str(problem))
        else:
            messages.success(request, f"{vm} belongs to the group {group} now.")
            return redirect("group", group_id)
    return _page(request, group, add=form)


@require_POST
def remove_member(request: HttpRequest, group_id: int, member_id: int) -> HttpResponse:
    group = access.group(request.user, group_id, Verb.CHANGE)
    member = access.group_member(request.user, group, member_id, Verb.CHANGE)
    groups.remove_member(member, actor=request.user.get_username())
    messages.success(request, f"{member.vm_context} no longer belongs to the group {group}.")
    return redirect("group", group_id)


@require_POST
def move_member(request: HttpRequest, group_id: int, member_id: int) -> HttpResponse:
    """`to`: up or down by one place."""
    group = access.group(request.user, group_id, Verb.CHANGE)
    member = access.group_member(request.user, group, member_id, Verb.CHANGE)
    by = 1 if request.POST.get("to") == "down" else -1
    groups.move(member, member.position + by, actor=request.user.get_username())
    return redirect("group", group_id)


@require_POST
def replicate(request: HttpRequest, group_id: int) -> HttpResponse:
    group = access.group(request.user, group_id, Verb.REPLICATE)
    actor = request.user.get_username()
    try:
        run = group_runs.begin(group, trigger=Trigger.MANUAL, requested_by=actor)
    except ContextError as problem:
        messages.error(request, str(problem))
    else:
        subject = f"Replication of the group {group}"
        outcome.requested(
            request, f"{subject} was started.", waiting=f"{subject} is waiting", queue=COPIES
        )
        for row in run.members.filter(job=None).select_related("vm_context"):
            messages.warning(request, f"{row.vm_context} is not in it: {row.why}")
    return redirect("group", group_id)


@require_POST
def cancel(request: HttpRequest, group_id: int) -> HttpResponse:
    """Cancel what is left of the group's newest run."""
    group = access.group(request.user, group_id, Verb.CANCEL)
    run = selector.runs_of(group).first()
    count = group_runs.cancel_jobs(run, actor=request.user.get_username()) if run else 0
    if count:
        messages.success(request, f"{plural(count, 'replication')} of the group {group} cancelled.")
    else:
        messages.warning(request, f"Nothing of the group {group} is being replicated.")
    return redirect("group", group_id)
