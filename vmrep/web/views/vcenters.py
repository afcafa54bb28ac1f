"""vCenters: listing, adding and changing them. A password goes in and never comes out."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from contexts import selectors
from contexts.errors import ContextError
from contexts.models import VCenter
from contexts.services import vcenters
from contexts.vsphere.errors import VSphereError
from vmrep.web.forms import VCenterForm


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "vcenters/index.html", {"vcenters": selectors.vcenters_for_list()})


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    form = VCenterForm(request.POST or None)
    if form.is_valid() and (vcenter := _save(form)):
        messages.success(request, f"{vcenter.name} was added. Now discover its VMs.")
        return _leave(request, f"{reverse('discovery')}?vcenter={vcenter.pk}")
    return _answer(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, vcenter_id: int) -> HttpResponse:
    vcenter = get_object_or_404(VCenter, pk=vcenter_id)
    form = VCenterForm(request.POST or None, vcenter=vcenter)
    if form.is_valid() and _save(form):
        messages.success(request, f"{form.cleaned_data['name']} was saved; its login works.")
        return _leave(request, reverse("vcenters"))
    return _answer(request, form, get_object_or_404(VCenter, pk=vcenter_id))


def _save(form: VCenterForm) -> VCenter | None:
    """Through the service, which tests the connection; what it refuses goes to its field."""
    values = form.values()
    try:
        if form.vcenter is None:
            return vcenters.add(**values)
        return vcenters.update(form.vcenter, **values)
    except ValidationError as problem:
        form.add_problems(problem)
    except (VSphereError, ContextError) as problem:
        form.add_refusal(problem)
    return None


def _answer(request: HttpRequest, form: VCenterForm, vcenter: VCenter | None) -> HttpResponse:
    """The page with its form; to htmx the form alone, so that a typed password stays there."""
    template = "vcenters/form.html" if request.htmx else "vcenters/edit.html"
    return render(request, template, {"form": form, "vcenter": vcenter})


def _leave(request: HttpRequest, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
