"""Removing a VM from management, and deleting its replica data: each asks first, and says what is
removed and what stays."""

from __future__ import annotations

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_http_methods, require_safe

from contexts.errors import ContextError
from contexts.models import VMContext
from contexts.text import plural
from replication.engine.errors import EngineError
from replication.errors import NameNotConfirmed
from replication.selectors.contexts import removed_contexts
from replication.selectors.replica import replica_of
from replication.services import removal
from replication.services.removal import Deleted
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_files, live, versions
from vmrep.web.formats import binary
from vmrep.web.forms import Styled
from vmrep.web.tables import RemovedVMTable


class ConfirmNameForm(Styled, forms.Form):
    """The service decides whether the typed text is the VM's name."""

    confirm_vm_name = forms.CharField(
        strip=False,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, request: HttpRequest, *, vm: VMContext) -> None:
        super().__init__(request.POST if request.method == "POST" else None)
        self.fields["confirm_vm_name"].label = f"To delete, type {removal.confirmation_text(vm)}"

    def add_refusal(self, problem: Exception) -> None:
        field = "confirm_vm_name" if isinstance(problem, NameNotConfirmed) else None
        self.add_error(field, str(problem))


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    """The VMs that were removed from management, each with a link to what is kept of it."""
    version = versions.of_replication()
    if live.is_current(request, version):
        return live.nothing_new()
    rows = access.rows(request.user, Verb.VIEW, removed_contexts())
    if csv_files.is_wanted(request):
        return csv_files.of_table("removed-vms", RemovedVMTable, rows, request)
    table = RemovedVMTable.for_request(rows, request)
    return live.respond(request, "removal/list.html", version, {"table": table})


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, context_id: str) -> HttpResponse:
    with_replica = "delete_replica_data" in request.POST
    vm = access.context(request.user, context_id, Verb.RELEASE)
    if with_replica:
        access.require(request.user, Verb.DELETE_REPLICA, VMContext)
    form = ConfirmNameForm(request, vm=vm)
    if form.is_valid():
        try:
            deleted = removal.remove_from_management(
                vm,
                actor=request.user.get_username(),
                delete_replica_data=with_replica,
                confirm_vm_name=form.cleaned_data["confirm_vm_name"],
            )
        except (ContextError, EngineError) as problem:
            form.add_refusal(problem)
        else:
            kept = "Its recovery points are kept." if not with_replica else _told(deleted)
            messages.success(request, f"{vm} was removed from management. {kept}")
            return _to_panel(vm)
    return _ask(request, "removal/remove.html", vm, form)


@require_http_methods(["GET", "HEAD", "POST"])
def delete_replica_data(request: HttpRequest, context_id: str) -> HttpResponse:
    vm = access.context(request.user, context_id, Verb.DELETE_REPLICA)
    form = ConfirmNameForm(request, vm=vm)
    if form.is_valid():
        try:
            deleted = removal.delete_replica_data(
                vm,
                actor=request.user.get_username(),
                confirm_vm_name=form.cleaned_data["confirm_vm_name"],
            )
        except (ContextError, EngineError) as problem:
            form.add_refusal(problem)
        else:
            messages.success(request, f"{vm}: {_told(deleted)}")
            return _to_panel(vm)
    return _ask(request, "removal/delete_replica_data.html", vm, form)


def _ask(request: HttpRequest, template: str, vm: VMContext, form: ConfirmNameForm) -> HttpResponse:
    """The page with the question, about the rows as they are now; never cached."""
    response = render(request, template, {"vm": vm, "form": form, "replica": replica_of(vm)})
    patch_cache_control(response, no_store=True)
    return response


def _told(deleted: Deleted) -> str:
    return (
        f"{plural(deleted.recovery_points, 'recovery point was', 'recovery points were')} deleted;"
        f" {binary(deleted.stored_bytes)} will become free as the files are removed."
    )


def _to_panel(vm: VMContext) -> HttpResponse:
    return redirect(f"{reverse('virtual-machines')}?{urlencode({'vm': vm.pk})}")
