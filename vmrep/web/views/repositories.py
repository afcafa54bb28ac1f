"""Where replicas are kept."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from contexts.clock import about_now
from contexts.errors import ContextError
from contexts.models import VMContext
from contexts.text import plural
from replication.errors import ConfirmFolder, RepositoryInUse, RepositoryRefused
from replication.models import RecoveryPoint, Repository
from replication.retention import services as retention
from replication.retention.verdicts import in_effect
from replication.selectors import space
from replication.selectors.repositories import (
    in_the_way,
    points_in,
    space_by_day,
    space_of,
    vms_in,
)
from replication.selectors.room import reserve_bytes, under_way_bytes
from replication.services import moving, repositories, start
from replication.states import Trigger
from replication.storage import looks
from vmrep import access
from vmrep.access import Verb
from vmrep.paging import KeyedPaginator
from vmrep.web import csv_cells, csv_files
from vmrep.web.forms import MoveForm, RepositoryChangeForm, RepositoryForm

SPACE_DAYS = 30
"""How many days of its space the page of a repository shows; the file has all that are kept."""
VMS_PER_PAGE = POINTS_PER_PAGE = 50


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    known = access.rows(request.user, Verb.VIEW, access.repositories_in_list(request.user))
    rows = list(known)
    if csv_files.is_wanted(request):
        return csv_files.of_rows("repositories", csv_cells.repositories(rows), known)
    states = looks.look_at_all(rows)
    return render(
        request, "repositories/index.html", {"rows": list(zip(rows, states, strict=True))}
    )


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """The first POST shows what the folder is, and on which file system; the second one, with the
    number of that file system, makes it a repository."""
    access.require(request.user, Verb.ADD, Repository)
    form = RepositoryForm(request.POST or None)
    facts = None
    if form.is_valid():
        try:
            repository = repositories.add(**form.cleaned_data)
        except ConfirmFolder as problem:
            facts = problem.facts
            asked_before = form.cleaned_data["device"] is not None
            # What was confirmed is not what is there: nothing of that is kept.
            kept = {"name": form.cleaned_data["name"], "path": facts["path"]}
            form = RepositoryForm(initial=kept | {"device": facts["device"]})
            if asked_before:
                messages.error(request, str(problem))
        except RepositoryRefused as problem:
            form.add_error("path", str(problem))
        except ValidationError as problem:
            form.add_error(None, problem)
        else:
            messages.success(request, f"The repository {repository.name} is ready.")
            return redirect("repositories")
    return render(request, "repositories/add.html", {"form": form, "facts": facts})


@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, repository_id: int) -> HttpResponseBase:
    """What is in a repository: by VM, and with `vm` each recovery point of that one."""
    repository = access.repository(
        request.user,
        repository_id,
        Verb.VIEW,
        among=access.repositories_in_list(request.user),
    )
    form = RepositoryChangeForm(
        request.POST or None,
        initial=_changeable(repository),
        reread=lambda: _changeable(access.repository(request.user, repository_id, Verb.VIEW)),
    )
    if request.method == "POST" and _changed(request, repository_id, form):
        return redirect("repository", repository_id)
    vms = access.rows(request.user, Verb.VIEW, vms_in(repository))
    vm = None
    if request.GET.get("vm"):
        vm = access.context_among(vms, request.user, request.GET["vm"], Verb.VIEW)
    points = access.rows(request.user, Verb.VIEW, points_in(repository))
    if csv_files.is_wanted(request):
        return _as_csv(request, repository, vms, points.filter(vm_context=vm) if vm else None)
    storage = looks.look(repository)
    content = {
        "repository": repository,
        "storage": storage,
        "reserve_bytes": _reserve(repository, storage),
        "under_way_bytes": under_way_bytes(repository.pk, among=access.counted(request.user)),
        "forecast": space.forecast_of(repository, storage.room, about_now()),
        "form": form,
        "days": space_by_day(
            repository, SPACE_DAYS, storage.room, getattr(repository, "stored_bytes", None) or 0
        )[::-1],
        "signs": repository.signs.order_by("host"),
        "vms": KeyedPaginator(vms, VMS_PER_PAGE).get_page(request.GET.get("page")),
        **(_points_of(vm, points.filter(vm_context=vm), request) if vm else {}),
    }
    return render(request, "repositories/detail.html", content, status=form.status)


def _changeable(repository: Repository) -> dict[str, object]:
    reserve = repository.reserve_bytes
    return {
        "name": repository.name,
        "reserve": None if reserve is None else round(reserve / (1 << 30), 3),
    }


def _changed(request: HttpRequest, repository_id: int, form: RepositoryChangeForm) -> bool:
    repository = access.repository(request.user, repository_id, Verb.CHANGE)
    if not form.is_valid():
        return False
    try:
        form.saved(lambda: repositories.change(repository, **form.changes))
    except ValidationError as problem:
        form.add_error(None, problem.messages[0])
    if not form.is_valid():
        return False
    messages.success(request, f"The repository {form.cleaned_data['name']} was saved.")
    return True


def _reserve(repository: Repository, storage: looks.StorageState) -> int | None:
    if storage.room is None:
        return repository.reserve_bytes
    return reserve_bytes(repository, storage.room.total_bytes)


def _points_of(
    vm: VMContext, points: QuerySet[RecoveryPoint], request: HttpRequest
) -> dict[str, object]:
    """Each with retention's verdict."""
    page = KeyedPaginator(points, POINTS_PER_PAGE).get_page(request.GET.get("points"))
    said = in_effect(vm).by_point
    return {
        "vm": vm,
        "point_page": page,
        "points": [(point, said.get(point.pk)) for point in page.object_list],
    }


def _as_csv(
    request: HttpRequest,
    repository: Repository,
    vms: QuerySet[VMContext],
    points: QuerySet[RecoveryPoint] | None,
) -> HttpResponseBase:
    wanted = csv_files.wanted(request)
    if wanted == "space":
        return csv_files.of_rows("repository-space", csv_cells.SPACE, space_of(repository))
    if wanted == "signs":
        signs = repository.signs.order_by("host")
        return csv_files.of_rows("repository-signs", csv_cells.SIGNS, signs)
    if points is not None:
        vm = access.context_among(vms, request.user, request.GET["vm"], Verb.VIEW)
        cells = csv_cells.points(in_effect(vm).by_point)
        return csv_files.of_rows("repository-points", cells, points)
    return csv_files.of_rows("repository-vms", csv_cells.VMS_OF_REPOSITORY, vms)


@require_http_methods(["GET", "HEAD", "POST"])
def delete_points(request: HttpRequest, repository_id: int, context_id: str) -> HttpResponse:
    """The page says how many points a VM has in a repository; its button asks for their removal."""
    repository = access.repository(request.user, repository_id, Verb.VIEW)
    vm = access.context(request.user, context_id, Verb.DELETE_POINT)
    if request.method == "POST":
        asked = retention.delete_all_in(vm, repository, actor=request.user.get_username())
        told = f"{plural(asked.going, 'recovery point')} of {vm} will be removed."
        messages.success(request, told)
        for reason, count in asked.staying.items():
            messages.warning(request, f"{plural(count, 'recovery point')} cannot go: {reason}")
        return redirect("repository", repository_id)
    count = points_in(repository).filter(vm_context=vm).count()
    content = {"repository": repository, "vm": vm, "count": count}
    return render(request, "repositories/delete_points.html", content)


@require_http_methods(["GET", "HEAD", "POST"])
def move(request: HttpRequest, context_id: str) -> HttpResponse:
    """The page says what moving means; its button does it."""
    vm = access.context(request.user, context_id, Verb.MOVE)
    others = access.repositories(request.user)
    if vm.repository_id is not None:
        others = others.exclude(pk=vm.repository_id)
    form = MoveForm(request.POST or None, among=others)
    back = f"{reverse('virtual-machines')}?{urlencode({'vm': vm.pk})}"
    if form.is_valid() and _moved(request, vm, form):
        return redirect(back)
    content = {"vm": vm, "form": form, "others": others, "back": back}
    return render(request, "repositories/move.html", content)


def _moved(request: HttpRequest, vm: VMContext, form: MoveForm) -> bool:
    actor, repository = request.user.get_username(), form.cleaned_data["repository"]
    try:
        moving.move(vm, repository, actor=actor)
        told = f"The next replication of {vm} goes into the repository {repository.name}."
        if form.cleaned_data["replicate"]:
            access.context(request.user, vm.pk, Verb.REPLICATE)
            start.start(vm, trigger=Trigger.MANUAL, requested_by=actor)
            told = f"{vm} is replicated into the repository {repository.name} now."
    except ContextError as problem:
        form.add_error(None, str(problem))
        return False
    messages.success(request, told)
    return True


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, repository_id: int) -> HttpResponse:
    """The page says what depends on it, or what is removed; its button does it."""
    repository = access.repository(request.user, repository_id, Verb.REMOVE)
    if request.method == "POST":
        try:
            repositories.remove(repository, actor=request.user.get_username())
        except RepositoryInUse as problem:
            messages.error(request, str(problem))
            return redirect("repository-remove", repository.pk)
        path = repository.config["path"]
        messages.success(
            request, f"{repository.name} was removed. The folder {path} is still there."
        )
        return redirect("repositories")
    content = {"repository": repository, "reasons": in_the_way(repository).reasons}
    return render(request, "repositories/remove.html", content)
