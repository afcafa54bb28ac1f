"""Where replicas are kept."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from replication.errors import RepositoryInUse, RepositoryRefused
from replication.models import Repository
from replication.selectors.repositories import in_the_way, repositories_for_list
from replication.services import repositories
from replication.storage import looks
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_cells, csv_files
from vmrep.web.forms import RepositoryForm


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    known = access.rows(request.user, Verb.VIEW, repositories_for_list())
    rows = list(known)
    if csv_files.is_wanted(request):
        return csv_files.of_rows("repositories", csv_cells.repositories(rows), known)
    states = looks.look_at_all(rows)
    return render(
        request, "repositories/index.html", {"rows": list(zip(rows, states, strict=True))}
    )


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    access.require(request.user, Verb.ADD, Repository)
    form = RepositoryForm(request.POST or None)
    if form.is_valid():
        try:
            repository = repositories.add_directory(**form.cleaned_data)
        except RepositoryRefused as problem:
            form.add_error("path", str(problem))
        except ValidationError as problem:
            form.add_error(None, problem)
        else:
            messages.success(request, f"The repository {repository.name} is ready.")
            return redirect("repositories")
    return render(request, "repositories/add.html", {"form": form})


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
