"""Every face goes through vmrep.access: nothing reads a single object around it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages import get_messages
from django.db.models import QuerySet
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from contexts.models import DiscoveredVM, VMContext
from replication.models import IntegrityFinding, IntegrityRun, ReplicationJob, Repository
from replication.states import JobStatus
from tests import factories
from vmrep import access
from vmrep.access import Verb
from vmrep.web import totals

VMREP = Path(access.__file__).parents[1]
# Commands are of whoever has the machine.
FACES = sorted(
    path
    for face in ("web", "api")
    for path in (VMREP / face).rglob("*.py")
    if "management" not in path.parts
)
# They show nothing and change nothing of anybody's: the way in and the way out, and whether this
# process serves.
WITHOUT_OBJECTS = {
    *(
        "Root",
        "Nowhere",
        "Login",
        "ToProvider",
        "FromProvider",
        "set_up",
        "of_admin",
        "LogoutView",
        "RedirectView",
    ),
    *("Alive", "Ready"),
}
ONE_ROW = {"get", "first", "last", "in_bulk", "earliest", "latest", "get_or_create"}


def addresses(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback


def views() -> Iterator[tuple[str, Any]]:
    """Each address of pages and API with what answers it; the admin has a test of its own."""
    for route, view in addresses(get_resolver().url_patterns):
        if not route.startswith("admin/"):
            kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
            kind = kind or inspect.unwrap(view)
            if kind.__name__ not in WITHOUT_OBJECTS:
                yield route, kind


def answering(view: Any) -> list[tuple[str, FunctionType]]:
    if isinstance(view, FunctionType):
        return [(view.__name__, view)]
    methods = ("get", "post", "put", "patch", "delete")
    return [
        (f"{view.__name__}.{name}", getattr(view, name)) for name in methods if hasattr(view, name)
    ]


def asks_access(function: FunctionType, module: ModuleType, seen: set[str]) -> bool:
    """Whether it, or a function of its module that it calls, calls something of vmrep.access."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "access":
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            helper = getattr(module, node.func.id, None)
            if isinstance(helper, FunctionType) and node.func.id not in seen:
                seen.add(node.func.id)
                if helper.__module__ == module.__name__ and asks_access(helper, module, seen):
                    return True
    return False


def test_every_view_asks_whether_its_user_may():
    found = list(views())
    assert len(found) > 100
    for route, view in found:
        module = inspect.getmodule(view)
        assert module is not None, route
        functions = answering(view)
        assert functions, route
        for name, function in functions:
            assert asks_access(function, module, set()), f"{name} of /{route} asks nobody"


def test_no_face_reads_a_single_object_by_itself():
    assert FACES
    for path in FACES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name):
                around = node.id in ("get_object_or_404", "aget_object_or_404")
                assert not around, _where(path, node)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                reads_one = node.func.attr in ONE_ROW
                assert not (reads_one and _is_of_a_manager(node.func.value)), _where(path, node)


def _is_of_a_manager(node: ast.AST) -> bool:
    """Whether a chain of calls begins with a model's `objects`."""
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager"):
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def _where(path: Path, node: ast.AST) -> str:
    return f"{path}:{getattr(node, 'lineno', 0)}: use vmrep.access"


# Its fingerprints tell nobody what they are of; the admin's rows come from its `get_queryset`.
NO_ROWS = ("web/versions.py", "web/admin/base.py", "web/admin/contexts.py")
READING_FACES = [path for path in FACES if str(path.relative_to(VMREP)) not in NO_ROWS]
SELECTORS = ("contexts.selectors", "replication.selectors", "replication.integrity.selectors")


def test_no_face_reads_rows_by_itself():
    """Rows, their number, and whether there are any, come from `vmrep.access`; what belongs to an
    object that it gave is reached through a selector."""
    wrong = []
    for path in READING_FACES:
        tree = ast.parse(path.read_text())
        through = _within_access(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager"):
                wrong += [] if id(node) in through else [_where(path, node)]
    assert wrong == []


def test_a_selector_is_told_among_which_rows_it_reads():
    """One that a face calls takes an object or rows, or what it answers goes through access."""
    wrong = []
    for path in READING_FACES:
        tree = ast.parse(path.read_text())
        through = _within_access(tree)
        selectors = _selectors_of(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and id(node) not in through:
                function = selectors.get(ast.unparse(node.func))
                around = function is not None and _reads(function) and not _takes_rows(function)
                wrong += [_where(path, node)] if around else []
    assert wrong == []


def _within_access(tree: ast.AST) -> set[int]:
    """What stands in the brackets of a call of `vmrep.access`."""
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "access"
        for inner in ast.walk(node)
    }


def _selectors_of(path: Path) -> dict[str, FunctionType]:
    """The selectors that a module names, by how it names them."""
    parts = path.relative_to(VMREP.parent).with_suffix("").parts
    module = import_module(".".join(parts).removesuffix(".__init__"))
    found = {}
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__module__.startswith(SELECTORS):
            found[name] = value
        if isinstance(value, ModuleType) and value.__name__.startswith(SELECTORS):
            inner = vars(value).items()
            found |= {f"{name}.{key}": it for key, it in inner if isinstance(it, FunctionType)}
    return found


def _reads(function: FunctionType) -> bool:
    answer = str(inspect.signature(function).return_annotation)
    return "QuerySet" in answer or ".objects" in inspect.getsource(function)


def _takes_rows(function: FunctionType) -> bool:
    """Whether any of its parameters is more than a time, a number, a flag or nothing."""
    kinds = {str(each.annotation) for each in inspect.signature(function).parameters.values()}
    return bool(kinds - {"datetime", "datetime | None", "int", "int | None", "bool"})


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch, db: None) -> VMContext:
    """A VM, as a context and as discovered, and its repository; `vmrep.access` alone says that
    nobody sees them."""
    context = factories.context("hidden", keep_in=factories.repository("hidden"))
    rows = access.rows

    def but_the_hidden(user: Any, verb: Verb, among: QuerySet[Any]) -> QuerySet[Any]:
        seen = rows(user, verb, among)
        its_own = {
            VMContext: {"vmware_vm_id": context.vmware_vm_id},
            DiscoveredVM: {"vmware_vm_id": context.vmware_vm_id},
            Repository: {"pk": context.repository_id},
            ReplicationJob: {"vm_context": context},
            IntegrityFinding: {"context_id": context.pk},
        }
        return seen.exclude(**its_own[among.model]) if among.model in its_own else seen

    monkeypatch.setattr(access, "rows", but_the_hidden)
    monkeypatch.setattr(totals, "_kept", {})
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    return context


def test_what_it_hides_cannot_be_found_by_its_identity(hidden, client):
    client.force_login(factories.user("ops"))
    other = factories.context("hidden-not", at=hidden.vcenter)
    seen = DiscoveredVM.objects.get(vmware_vm_id=hidden.vmware_vm_id)
    for identity in ({"vm_name": "hidden"}, {"vmware_vm_id": hidden.vmware_vm_id}):
        looked_up = client.get("/api/v1/vm-contexts/lookup/", identity)
        assert (looked_up.status_code, looked_up.json()["code"]) == (404, "unknown_vm")
        for address in ("vm-contexts", "replications"):
            answer = client.post(f"/api/v1/{address}/", identity, content_type="application/json")
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_vm"), address
    for wanted in ({"discovered_vm_id": seen.pk}, {"vmware_vm_id": seen.vmware_vm_id}):
        for decision in ("confirm", "reject"):
            address = f"/api/v1/vm-contexts/{other.pk}/{decision}-identity/"
            answer = client.post(address, wanted, content_type="application/json")
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_vm")
    assert not ReplicationJob.objects.exists()


def test_what_it_hides_is_no_candidate_of_an_ambiguous_name(hidden, client):
    client.force_login(factories.user("ops"))
    seen = factories.context("hidden", at=hidden.vcenter)
    looked_up = client.get("/api/v1/vm-contexts/lookup/", {"vm_name": "hidden"})
    assert looked_up.json()["context"]["context_id"] == seen.pk


def test_what_it_hides_is_neither_started_nor_cancelled_among_others(hidden, client):
    client.force_login(factories.user("ops"))
    factories.pending_job(hidden)
    client.post("/virtual-machines/bulk/", {"vm": [hidden.pk], "action": "cancel", "confirmed": 1})
    job = ReplicationJob.objects.get()
    assert job.status == JobStatus.PENDING
    asked = client.post("/virtual-machines/bulk/", {"vm": [hidden.pk], "action": "cancel"})
    assert hidden.vm_name not in [vm.vm_name for vm in asked.context["vms"]]
    answer = client.post("/virtual-machines/bulk/", {"vm": [hidden.pk], "action": "start"})
    assert f"There is no VM context {hidden.pk!r}" in str(list(get_messages(answer.wsgi_request)))


def test_what_it_hides_is_not_offered(hidden, client):
    client.force_login(factories.user("ops"))
    page = client.get("/discovery/", {"vcenter": hidden.vcenter_id})
    assert page.context["repositories"] == []
    assert [row.record.vm_name for row in page.context["table"].rows] == []
    assert client.get("/virtual-machines/").context["first_run"].vm is None


def test_what_it_hides_is_in_no_number(hidden, client):
    client.force_login(factories.user("ops"))
    factories.recovery_point(hidden)
    factories.failed_job(hidden)
    factories.running_job(hidden)
    page = client.get("/virtual-machines/").context
    assert (page["counts"]["total"], page["counts"]["last_job_failed"]) == (0, 0)
    numbers = page["home"]
    assert (numbers.worst, numbers.failed_jobs, numbers.running_jobs) == (None, 0, 0)
    assert (numbers.moved_bytes, numbers.successful_jobs) == (0, 0)
    assert (numbers.repositories.all, page["os_types"]) == ((), [])
    assert page["first_run"].has_repository is False
    assert client.get("/discovery/").context["counts"].present == 0
    removal = client.get(f"/vcenters/{hidden.vcenter_id}/remove/").context
    assert list(removal["unmanaged"]) == []
    run = IntegrityRun.objects.create(outcome="findings", completed_at=timezone.now())
    IntegrityFinding.objects.create(
        run=run, code="x", severity="error", repairable=False, context_id=hidden.pk
    )
    assert client.get("/integrity/").context["left"] == []
    assert client.get("/api/v1/integrity/").json()["findings"] == []
    assert run.findings.exists()


def test_totals_are_kept_for_those_who_see_the_same(client, db, monkeypatch):
    monkeypatch.setattr(totals, "_kept", {})
    monkeypatch.setattr("vmrep.web.versions.FRESH_SECONDS", 0)
    monkeypatch.setattr(access, "scope", lambda user: user.get_username())
    factories.context("one")
    counted = []
    monkeypatch.setattr(
        totals, "_count", lambda *which, count=totals._count: counted.append(1) or count(*which)
    )
    people = {name: factories.user(name) for name in ("ann", "bob")}
    for name in ("ann", "ann", "bob", "ann"):
        client.force_login(people[name])
        client.get("/virtual-machines/")
    assert len(counted) == 2


def test_every_page_of_the_admin_asks_it():
    for page in admin.site._registry.values():
        if not page.__module__.startswith("vmrep."):
            continue  # Django's own: users, groups, tokens
        for part in (page, *(inline(page.model, admin.site) for inline in page.inlines)):
            for name in ("get_queryset", "has_view_permission", "has_delete_permission"):
                module = inspect.getmodule(getattr(type(part), name))
                assert module is not None
                assert module.__name__.startswith("vmrep.web.admin"), f"{part}.{name}"


@pytest.fixture
def nobody_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "may", lambda *_: False)
    monkeypatch.setattr(access, "may_in_admin", lambda *_: False)
    monkeypatch.setattr(access, "may_use_admin", lambda *_: False)


def _filled(route: str) -> str:
    return "/" + re.sub(r"<(\w+):\w+>", lambda hole: "1" if hole[1] == "int" else "x", route)


def test_what_it_refuses_is_refused_by_every_page(nobody_may, client, db):
    """One line in one file: no page shows anything any more, nor does anything."""
    client.force_login(factories.user("ops"))
    for route, _view in views():
        if route.startswith("api/"):
            continue
        address = _filled(route)
        answers = [client.get(address), client.post(address)]
        assert {answer.status_code for answer in answers} <= {403, 405}, address
        assert 403 in {answer.status_code for answer in answers}, address


def test_what_it_refuses_is_refused_by_every_view_of_the_api(nobody_may, client, db):
    client.force_login(factories.user("ops"))
    for route, _view in views():
        if not route.startswith("api/"):
            continue
        address = _filled(route)
        answer = client.get(address)
        assert answer.status_code in (403, 405), address


def test_what_it_refuses_is_refused_by_the_admin(nobody_may, db):
    client = Client()
    client.force_login(factories.user("chief", is_staff=True))
    for model in admin.site._registry:
        options = model._meta
        address = f"/admin/{options.app_label}/{options.model_name}/"
        assert client.get(address).status_code == 403, address


def test_who_is_not_logged_in_or_was_shut_out_may_nothing(db):
    context = factories.context()
    for user in (AnonymousUser(), factories.user("gone", is_active=False)):
        with pytest.raises(access.Forbidden):
            access.context(user, context.pk, Verb.VIEW)


def test_what_is_not_there_is_not_found_with_a_code(db):
    user = factories.user("ops")
    vm = factories.context()
    other = factories.context()
    disk = other.disks.first()
    seen = factories.discovered_vm()
    for read, code in (
        (lambda: access.context(user, "ctx-nothing", Verb.VIEW), "unknown_vm"),
        (lambda: access.job(user, "job-nothing", Verb.VIEW), "unknown_job"),
        (lambda: access.vcenter(user, 2**80, Verb.VIEW), "unknown_vcenter"),
        (lambda: access.repository(user, 2**80, Verb.VIEW), "unknown_repository"),
        (lambda: access.disk(user, vm, disk.pk, Verb.VIEW), "unknown_disk"),
        (lambda: access.discovered_vm(user, 2**80, seen.pk, Verb.VIEW), "unknown_vm"),
        (lambda: access.discovered_vm(user, seen.vcenter_id, 2**80, Verb.VIEW), "unknown_vm"),
    ):
        with pytest.raises(access.NotFound) as caught:
            read()
        assert caught.value.code == code


def test_rows_stay_as_they_are_for_who_may(db):
    context = factories.context()
    among: QuerySet[VMContext] = VMContext.objects.order_by("-pk")
    assert list(access.rows(factories.user("ops"), Verb.VIEW, among)) == [context]
