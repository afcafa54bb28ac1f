"""Policies: what they say, where they apply, and what a change would do before it is saved."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from contexts.errors import ContextError
from contexts.text import plural
from replication.models import Policy
from replication.policies import services
from replication.policies.checking import Wanted
from replication.policies.choices import TARGET_WORDS
from replication.policies.effective import place_of
from replication.policies.preview import Change, preview
from replication.policies.selectors import folders_of, unseen_folder
from replication.policies.services import Outcome
from replication.policies.values import TITLES, UNSAID
from replication.states import ScopeKind
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_cells, csv_files, rpo
from vmrep.web.policy_forms import PlaceForm, PolicyForm, initial_of, initial_values


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    rows = access.policies_in_list(request.user)
    if csv_files.is_wanted(request):
        return csv_files.of_rows("policies", csv_cells.POLICIES, rows)
    scopes = [scope for policy in rows for scope in policy.scopes.all()]
    return render(request, "policies/index.html", {"policies": rows, "scopes": scopes})


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """A new policy applies nowhere, so that there is nothing to preview."""
    access.require(request.user, Verb.ADD, Policy)
    form = PolicyForm(
        request.POST or None,
        initial=initial_values(Wanted(UNSAID)),
        among=access.repositories(request.user),
    )
    if form.is_valid():
        actor = request.user.get_username()
        try:
            policy = services.add(
                form.cleaned_data["name"], form.given(), form.windows(), actor=actor
            )
        except ContextError as problem:
            form.add_error("name", str(problem))
        else:
            messages.success(request, f"Policy {policy} was added. Now say where it applies.")
            return redirect("policy", policy.pk)
    return render(request, "policies/add.html", {"form": form, "targets": TARGET_WORDS})


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, policy_id: int) -> HttpResponse:
    """What it says, for whoever may not change it, too. The first POST shows what would change; the
    second one, of the same values, saves them."""
    rows = access.policies_in_list(request.user)
    verb = Verb.CHANGE if request.method == "POST" else Verb.VIEW
    policy = access.policy(request.user, policy_id, verb, among=rows)
    form = PolicyForm(
        request.POST or None,
        among=access.repositories(request.user),
        initial=initial_of(policy),
        reread=lambda: initial_of(access.policy(request.user, policy_id, Verb.CHANGE)),
    )
    shown: dict[str, Any] = {}
    if form.is_valid() and form.was_previewed and _saved(request, policy, form):
        return redirect("policy", policy.pk)
    if form.is_valid():
        shown = {
            "preview": preview(Change(policy, wanted=form.wanted)),
            "digest": form.digest,
        }
    content = {
        "form": form,
        "policy": policy,
        "targets": TARGET_WORDS,
        "titles": TITLES,
        "is_for_all": any(it.kind == ScopeKind.INSTALLATION for it in policy.scopes.all()),
        "rpo": rpo.of_policy(policy, request.user),
        **shown,
    }
    return render(request, "policies/edit.html", content, status=form.status)


def _saved(request: HttpRequest, policy: Policy, form: PolicyForm) -> bool:
    name, actor = form.cleaned_data["name"], request.user.get_username()

    def save() -> Outcome:
        return services.change(policy, form.given(), form.windows(), name=name, actor=actor)

    try:
        outcome = form.saved(save)
    except ContextError as problem:
        form.add_error("name", str(problem))
        return False
    if outcome is None:
        return False
    messages.success(request, f"Policy {form.cleaned_data['name']} was saved. {_told(outcome)}")
    return True


@require_http_methods(["GET", "HEAD", "POST"])
def add_scope(request: HttpRequest, policy_id: int) -> HttpResponse:
    """The first POST shows what would change; the second one, with `confirmed`, does it."""
    policy = access.policy(request.user, policy_id, Verb.CHANGE)
    vcenters = access.vcenters(request.user)
    form = PlaceForm(request.POST or None, among=vcenters)
    shown: dict[str, Any] = {}
    if form.is_valid():
        try:
            place = form.place()
            if request.POST.get("confirmed"):
                actor = request.user.get_username()
                scope, outcome = services.assign(policy, place, actor=actor)
                told = f"Policy {policy} now applies to {place_of(scope)}. {_told(outcome)}"
                if scope.takes_new:
                    told += " It begins to take VMs under management within seconds."
                messages.success(request, told)
                return redirect("policy", policy.pk)
            shown["preview"] = preview(Change(policy, add=place))
            if place.kind == ScopeKind.FOLDER and place.vcenter is not None:
                shown["unseen"] = unseen_folder(place.vcenter, place.folder)
        except ContextError as problem:
            form.add_error(None, str(problem))
    content = {"form": form, "policy": policy, "folders": folders_of(vcenters), **shown}
    return render(request, "policies/add_scope.html", content)


@require_http_methods(["GET", "HEAD", "POST"])
def remove_scope(request: HttpRequest, policy_id: int, scope_id: int) -> HttpResponse:
    """The page says what would change; its button does it."""
    policy = access.policy(request.user, policy_id, Verb.CHANGE)
    scope = access.policy_scope(request.user, policy, scope_id, Verb.REMOVE)
    place = place_of(scope)
    if request.method == "POST":
        try:
            outcome = services.unassign(scope, actor=request.user.get_username())
        except ContextError as problem:
            messages.error(request, str(problem))
        else:
            told = f"Policy {policy} no longer applies to {place}. {_told(outcome)}"
            messages.success(request, told)
        return redirect("policy", policy.pk)
    content = {
        "policy": policy,
        "scope": scope,
        "place": place,
        "preview": preview(Change(policy, remove=scope.pk)),
    }
    return render(request, "policies/remove_scope.html", content)


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, policy_id: int) -> HttpResponse:
    rows = access.policies_in_list(request.user)
    policy = access.policy(request.user, policy_id, Verb.REMOVE, among=rows)
    if request.method == "POST":
        try:
            services.remove(policy, actor=request.user.get_username())
        except ContextError as problem:
            messages.error(request, str(problem))
            return redirect("policy-remove", policy_id)
        messages.success(request, f"Policy {policy} was removed.")
        return redirect("policies")
    return render(request, "policies/remove.html", {"policy": policy})


def _told(outcome: Outcome) -> str:
    told = "Nothing changed for the VMs under management."
    if outcome.changed:
        told = f"Something else is in effect for {plural(outcome.changed, 'VM')} now."
    if outcome.left:
        told += f" {plural(outcome.left, 'VM')} more will be looked at within minutes."
    return told
