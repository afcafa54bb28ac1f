"""Who uses vmrep: pages of admins who see all VMs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from contexts.errors import ContextError
from replication.policies.selectors import folders_of
from vmrep import access
from vmrep.access import Verb
from vmrep.accounts import users
from vmrep.web import csv_cells, csv_files
from vmrep.web.user_forms import PasswordForm, PlaceOfUserForm, RoleForm, UserForm


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    rows = access.rows(request.user, Verb.VIEW, users.in_list())
    if csv_files.is_wanted(request):
        return csv_files.of_rows("users", csv_cells.USERS, rows)
    people = [(user, users.role_of(user)) for user in rows]
    return render(request, "users/index.html", {"people": people})


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    access.require(request.user, Verb.ADD, User)
    form = UserForm(request.POST or None)
    if form.is_valid():
        values, actor = form.cleaned_data, request.user.get_username()
        try:
            user = users.add(values["username"], values["password"], values["role"], actor=actor)
        except ValidationError as problem:
            form.add_problems(problem)
        else:
            messages.success(request, f"The user {user} was added. Say of which VMs, if not all.")
            return redirect("user", user.pk)
    return render(request, "users/add.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, user_id: int) -> HttpResponse:
    """Each of its forms says in `act` what to do."""
    user = access.user(request.user, user_id, Verb.CHANGE)
    role = users.role_of(user)
    vcenters = access.vcenters(request.user)
    forms: dict[str, Any] = {
        "role": RoleForm(initial={"role": role or ""}),
        "password": PasswordForm(),
        "place": PlaceOfUserForm(vcenters=vcenters),
    }
    if request.method == "POST":
        act = request.POST.get("act", "")
        given: dict[str, Callable[[], Any]] = {
            "role": lambda: RoleForm(request.POST),
            "password": lambda: PasswordForm(request.POST),
            "place": lambda: PlaceOfUserForm(request.POST, vcenters=vcenters),
        }
        if act in given:
            forms[act] = given[act]()
        if _done(request, user, act, forms.get(act)):
            return redirect("user", user.pk)
    content = {
        **{"edited": user, "role": role, "forms": forms},
        "folders": folders_of(vcenters),
    }
    return render(request, "users/user.html", content)


def _done(request: HttpRequest, user: User, act: str, form: Any) -> bool:
    """Whether the page is to be shown anew; a form that was refused is shown again."""
    if form is not None and not form.is_valid():
        return False
    values = form.cleaned_data if form is not None else {}
    actor = request.user.get_username()
    acts: dict[str, tuple[Callable[[], object], str]] = {
        "role": (lambda: users.set_role(user, values["role"], actor=actor), "The role was set."),
        "password": (
            *(lambda: users.set_password(user, values["password"], actor=actor),),
            "The new password holds; the user has to log in again.",
        ),
        "enable": (lambda: users.set_active(user, True, actor=actor), "The user may log in."),
        "disable": (
            *(lambda: users.set_active(user, False, actor=actor),),
            "The user is disabled: neither a login nor a token is taken.",
        ),
        "place": (
            *(lambda: users.add_place(user, values["vcenter"], values["folder"], actor=actor),),
            "The user sees that place.",
        ),
        "leave": (
            *(lambda: users.remove_place(_place(request, user), actor=actor),),
            "The user no longer sees that place.",
        ),
        "all": (lambda: users.let_see_all(user, actor=actor), "The user sees all VMs."),
    }
    if act not in acts:
        messages.error(request, "Nothing was done: the form did not say what to do.")
        return True
    do, told = acts[act]
    try:
        do()
    except ValidationError as problem:
        form.add_problems(problem)
        return False
    except ContextError as problem:
        messages.error(request, str(problem))
        return True
    messages.success(request, told)
    return True


def _place(request: HttpRequest, user: User) -> Any:
    key = request.POST.get("place", "")
    return access.place_of(request.user, user, int(key) if key.isascii() and key.isdigit() else 0)
