"""vCenters: listing, adding, changing, testing and removing them. A password goes in and never
comes out."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from contexts import selectors
from contexts.errors import ContextError, VCenterChanged
from contexts.models import VCenter
from contexts.services import connections, vcenters
from contexts.text import plural
from contexts.vsphere.errors import VSphereError
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_cells, csv_files, live, versions
from vmrep.web.edits import EditedMeanwhile
from vmrep.web.forms import VCenterAddressForm, VCenterForm

_FORMER_SHOWN = 10


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    version = versions.of_discovery(None)
    if live.is_current(request, version):
        return live.nothing_new()
    rows = access.vcenters_in_list(request.user)
    if csv_files.is_wanted(request):
        return csv_files.of_rows("vcenters", csv_cells.VCENTERS, rows)
    shown = list(rows)
    changeable = access.keys(request.user, Verb.CHANGE, shown)
    content = {"vcenters": shown, "changeable": changeable}
    return live.respond(request, "vcenters/index.html", version, content)


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """In two steps: who answers at the address, then the login. Only the second step writes."""
    access.require(request.user, Verb.ADD, VCenter)
    if request.method != "POST":
        return _answer(request, VCenterAddressForm(), None)
    if request.POST.get("step") == "address":
        address = VCenterAddressForm(request.POST)
        looked = address.look() if address.is_valid() else None
        form = VCenterForm.after(address.cleaned_data, looked) if looked else address
        return _answer(request, form, None)
    form = VCenterForm(request.POST)
    if form.is_valid() and (vcenter := _save(form, request)):
        messages.success(request, f"{vcenter.name} was added. Now discover its VMs.")
        _warn_of_missing(request, vcenter)
        return _leave(request, f"{reverse('discovery')}?vcenter={vcenter.pk}")
    return _answer(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    vcenter = access.vcenter(request.user, vcenter_id, Verb.CHANGE)
    form = _form(request, vcenter, request.POST or None)
    if form.is_valid() and (saved := _save(form, request)):
        messages.success(request, f"{saved.name} was saved; its login works.")
        _warn_of_missing(request, saved)
        return _leave(request, reverse("vcenters"))
    # The form has changed its own copy: the page shows what is stored.
    return _answer(request, form, access.vcenter(request.user, vcenter_id, Verb.CHANGE))


@require_POST
def test(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    """Which parts of the connection work and which do not. Only whether the login was accepted is
    kept. Whoever may test it need not be somebody who may change it: there is no form."""
    vcenter = access.vcenter(request.user, vcenter_id, Verb.TEST)
    content = {"vcenter": vcenter, "report": connections.test(vcenter)}
    template = "vcenters/edit.html#test" if live.htmx(request) else "vcenters/edit.html"
    return render(request, template, content)


@require_POST
def replace(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    """Somebody says that the vCenter was rebuilt: its new instance UUID was shown to them."""
    vcenter = access.vcenter(request.user, vcenter_id, Verb.CHANGE)
    new = request.POST.get("confirm_instance_uuid", "")
    try:
        if not new or new != vcenter.found_instance_uuid:
            raise VCenterChanged("A different one answers there now. Look again, then confirm.")
        actor = request.user.get_username()
        vcenters.update(vcenter, confirm_instance_uuid=new, actor=actor)
    except (VSphereError, ContextError, ValidationError) as problem:
        text = "; ".join(problem.messages) if isinstance(problem, ValidationError) else str(problem)
        messages.error(request, text)
        return redirect("vcenter-edit", vcenter.pk)
    messages.success(
        request,
        f"{vcenter.name} is confirmed as rebuilt. Now discover its VMs, then confirm each one.",
    )
    return redirect(f"{reverse('discovery')}?vcenter={vcenter.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    """The page says what depends on it, or what is removed with it; its button does it."""
    vcenter = access.vcenter(request.user, vcenter_id, Verb.REMOVE)
    if request.method == "POST":
        try:
            vcenters.remove(vcenter)
        except ContextError as problem:
            messages.error(request, str(problem))
            return redirect("vcenter-remove", vcenter.pk)
        messages.success(request, f"{vcenter.name} was removed.")
        return redirect("vcenters")
    unmanaged = access.rows(request.user, Verb.VIEW, selectors.unmanaged_contexts(vcenter))
    content = {
        "vcenter": vcenter,
        "counts": selectors.dependents_of(vcenter),
        "unmanaged": unmanaged[:_FORMER_SHOWN],
    }
    return render(request, "vcenters/remove.html", content)


def _warn_of_missing(request: HttpRequest, vcenter: VCenter) -> None:
    """A missing right is not a reason to refuse, but the operator should know its consequences."""
    missing = vcenter.privileges.missing if vcenter.privileges else None
    if missing:
        named = " ".join(f"{each.privilege.id}: {each.privilege.without}" for each in missing)
        lacks = plural(len(missing), "privilege")
        messages.warning(request, f"{vcenter.username} lacks {lacks} in {vcenter.name}. {named}")


def _save(form: VCenterForm, request: HttpRequest) -> VCenter | None:
    """Save through the service, which tests the connection; a refusal goes to its field."""
    values = form.values()
    try:
        if form.vcenter is None:
            return vcenters.add(**values)
        actor = request.user.get_username()
        require = form.require_unchanged
        return vcenters.update(form.vcenter, **values, actor=actor, require=require)
    except EditedMeanwhile:
        form.look_again()
    except ValidationError as problem:
        form.add_problems(problem)
    except (VSphereError, ContextError) as problem:
        form.add_refusal(problem)
    return None


def _form(request: HttpRequest, vcenter: VCenter, data: Any = None) -> VCenterForm:
    return VCenterForm(
        data,
        vcenter=vcenter,
        reread=lambda: access.vcenter(request.user, vcenter.pk, Verb.CHANGE),
    )


def _answer(request: HttpRequest, form: Any, vcenter: VCenter | None) -> HttpResponse:
    """The page with its form; for htmx the form alone, so that a typed password stays."""
    content = {"form": form, "vcenter": vcenter}
    if live.htmx(request):  # which shows only what is answered with 200
        return render(request, "vcenters/edit.html#form", content)
    return render(request, "vcenters/edit.html", content, status=getattr(form, "status", 200))


def _leave(request: HttpRequest, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if live.htmx(request) else redirect(url)
