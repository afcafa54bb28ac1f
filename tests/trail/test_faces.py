"""The page, the file, the API and the panel show the same trail; what comes in by them is told with
its user, address and request."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contexts import trail
from contexts.models import VMContext
from contexts.trail import Kind, Outcome, Somebody, Verb, Via
from replication.services import groups
from tests import factories
from tests.factories import HOSTILE_NAME
from tests.trail.chain import write
from vmrep.accounts.roles import Role
from vmrep.trail import source
from vmrep.trail.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

API = "/api/v1/audit-events/"


@pytest.fixture
def vm() -> VMContext:
    """Taken by "ops", in the folder /Lab/vm."""
    return factories.context(HOSTILE_NAME)


def newest(**wanted: object) -> Event:
    event = Event.objects.filter(**wanted).first()
    assert event is not None
    return event


def numbers(web: Client, query: str) -> list[int]:
    answer = web.get(f"{API}?{query}")
    assert answer.status_code == 200, answer.content
    return [each["number"] for each in answer.json()["results"]]


def test_an_act_on_a_page_is_told_with_user_address_and_request(
    web: Client, vm: VMContext, user: Any
) -> None:
    headers = {"HTTP_X_REQUEST_ID": "request-0815"}
    web.post(f"/virtual-machines/{vm.pk}/replicate/", REMOTE_ADDR="192.0.2.7", **headers)
    told = newest(verb=Verb.REPLICATE)
    assert (told.actor, told.user_id, told.via) == ("alice", user.pk, Via.PAGE)
    assert (told.address, told.request_id) == ("192.0.2.7", "request-0815")
    assert told.vm_context_id == vm.pk
    assert told.job_id == VMContext.objects.get().current_job_id


def test_an_act_by_the_api_and_in_the_admin_says_so(web: Client, vm: VMContext, admin_user) -> None:
    web.post(f"/api/v1/vm-contexts/{vm.pk}/replications/", {}, "application/json")
    assert newest(verb=Verb.REPLICATE).via == Via.API
    client = Client()
    client.force_login(admin_user)
    inlines = {
        f"{name}-{part}_FORMS": 0
        for name in ("disks", "networks", "network_adapters")
        for part in ("TOTAL", "INITIAL")
    }
    repository = factories.repository()
    client.post(
        f"/admin/replication/repository/{repository.pk}/change/", {"name": "by hand"} | inlines
    )
    told = newest(verb=Verb.CHANGE, kind="repository")
    assert (told.actor, told.via) == (admin_user.username, Via.ADMIN)
    assert told.new_values == {"name": "by hand"}


class TestLogins:
    def log_in(self, name: str, password: str) -> None:
        body = {"username": name, "password": password}
        Client().post("/login/", body, REMOTE_ADDR="192.0.2.9")

    def test_who_logs_in_and_out_is_told(self, user: Any) -> None:
        client = Client()
        client.post("/login/", {"username": "alice", "password": "sesame-for-alice"})
        client.post("/logout/")
        told = Event.objects.filter(verb__in=[Verb.LOG_IN, Verb.LOG_OUT])
        assert [(each.verb, each.actor, each.user_id) for each in told] == [
            (Verb.LOG_OUT, "alice", user.pk),
            (Verb.LOG_IN, "alice", user.pk),
        ]

    @pytest.mark.parametrize(
        ("typed", "shown"),
        [
            ("alice", "alice"),
            ("eve\u202e\n<b>", "eve\\u202e\\n<b>"),
            ("x" * 500, "x" * 100),
        ],
    )
    def test_who_fails_is_told_by_the_typed_name_and_address(
        self, user: Any, typed: str, shown: str
    ) -> None:
        from django.contrib.auth import authenticate
        from django.test import RequestFactory

        request = RequestFactory().post("/login/", REMOTE_ADDR="192.0.2.9")
        assert authenticate(request, username=typed, password="guess-of-eve") is None
        told = newest(verb=Verb.LOG_IN, outcome=Outcome.REFUSED)
        assert (told.actor, told.object_name, told.address) == (shown, shown, "192.0.2.9")
        assert told.user_id is None
        assert "guess" not in str(vars(told))

    def test_a_token_that_nobody_has_is_told_once_of_each_address(
        self, user: Any, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And of so many addresses at most; one that is good later is no less good."""

        def ask(key: str, address: str) -> int:
            headers = {"Authorization": f"Token {key}"}
            return client.get("/api/v1/", headers=headers, REMOTE_ADDR=address).status_code

        def told() -> list[str]:
            events = Event.objects.filter(kind=Kind.TOKEN, outcome=Outcome.REFUSED)
            assert {(each.verb, each.actor) for each in events} <= {(Verb.LOG_IN, trail.NOBODY)}
            assert "guess" not in str([vars(each) for each in events])
            return sorted(events.values_list("address", flat=True))

        monkeypatch.setattr("vmrep.trail.sign_ins.MOST_UNKNOWN_TOKENS", 2)
        assert ask(factories.token(user), "192.0.2.1") == 200
        assert told() == []
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
            assert ask("guess-of-eve", address) == 401
        assert told() == ["192.0.2.1", "192.0.2.2"]
        monkeypatch.setattr("vmrep.trail.sign_ins.TOLD_AGAIN_AFTER", timedelta(0))
        assert ask("guess-of-eve", "192.0.2.3") == 401
        assert told() == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]

    def test_a_wrong_password_on_the_page_is_told(self, user: Any) -> None:
        self.log_in("alice", "wrong")
        assert newest(outcome=Outcome.REFUSED).address == "192.0.2.9"


def test_a_change_that_is_not_allowed_is_told(web: Client, vm: VMContext, monkeypatch) -> None:
    """Not one that nobody asked for: reading."""
    from vmrep import access

    monkeypatch.setattr(access, "may", lambda user, verb, kind: False)
    before = Event.objects.count()
    assert web.get(f"/virtual-machines/{vm.pk}/move/").status_code == 403
    assert Event.objects.count() == before
    assert web.post(f"/virtual-machines/{vm.pk}/replicate/").status_code == 403
    told = newest()
    assert (told.verb, told.outcome, told.actor) == (Verb.REQUEST, Outcome.REFUSED, "alice")
    assert told.object_id == f"/virtual-machines/{vm.pk}/replicate/"
    assert told.new_values == {"method": "POST", "status": 403, "view": "vm-replicate"}


def test_nobody_fills_the_trail_with_what_is_refused(
    web: Client, vm: VMContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vmrep import access

    monkeypatch.setattr(access, "may", lambda user, verb, kind: False)
    monkeypatch.setattr(source, "MOST_REFUSALS", 3)
    before = Event.objects.count()
    for _ in range(5):
        assert web.post(f"/virtual-machines/{vm.pk}/replicate/").status_code == 403
    assert Event.objects.count() == before + 3
    assert "not told" in newest().new_values["why"]
    monkeypatch.setattr(source, "LATELY", timedelta(0))
    web.post(f"/virtual-machines/{vm.pk}/replicate/")
    assert Event.objects.count() == before + 4


class TestFilters:
    def test_each_finds_what_it_names(self, web: Client, vm: VMContext) -> None:
        group = groups.add("Shop", actor="bob")
        with trail.acting(Somebody(via=Via.API, actor="carol", address="192.0.2.3")):
            groups.rename(group, "Store", actor="carol")
        taken, added, renamed = numbers(web, "ordering=number")[-3:]
        for query, found in {
            "actor=carol": [renamed],
            "kind=group&verb=add": [added],
            "kind=group&verb=add&verb=change": [renamed, added],
            f"kind=group&object={group.pk}": [renamed, added],
            "via=api": [renamed],
            "outcome=refused": [],
            f"vm={vm.pk}": [taken],
            f"vcenter={vm.vcenter_id}": [taken],
            "search=stor": [renamed],
            "search=192.0.2": [renamed],
            f"search={vm.pk}": [taken],
            "period=hour&kind=group": [renamed, added],
            "since=2999-01-01T00:00:00Z": [],
            "before=2999-01-01T00:00:00Z&kind=group": [renamed, added],
        }.items():
            assert numbers(web, query) == found, query
        assert web.get(f"{API}?verb=explode").status_code == 400
        assert web.get(f"{API}?nonsense=1").status_code == 400

    def test_the_page_and_its_file_find_the_same(self, web: Client, vm: VMContext) -> None:
        write(2)
        page = web.get("/audit/?kind=group").content.decode()
        assert page.count('<tr id="row-') == 2
        assert HOSTILE_NAME not in web.get("/audit/").content.decode()
        sent = b"".join(web.get("/audit/?kind=group&format=csv").streaming_content)
        rows = list(csv.DictReader(io.StringIO(sent.decode())))
        assert [row["Object"] for row in rows] == ["group 1", "group 0"]
        assert rows[0]["After"] == '{"name":"group 1"}'

    def test_a_page_of_nothing_new_is_not_sent_again(self, web: Client) -> None:
        token = web.get("/audit/").context["version"].token
        shown = {"HTTP_HX_REQUEST": "true", "HTTP_X_VMREP_VERSION": token}
        assert web.get("/audit/", **shown).status_code == 204
        write(1)
        assert web.get("/audit/", **shown).status_code == 200


def test_a_vms_own_events_are_in_its_panel(web: Client, vm: VMContext) -> None:
    write(3)
    answer = web.get(f"/virtual-machines/?vm={vm.pk}&tab=audit")
    shown = answer.context["panel"]["trail"]
    assert [(each.verb, each.actor) for each in shown] == [(Verb.TAKE, "ops")]
    assert "by ops" in answer.content.decode()


def test_a_trail_is_for_admins_and_a_scope_shows_its_own_vms(vm: VMContext) -> None:
    other = factories.context("other")
    groups.add("Shop", actor="bob")
    chief = factories.user("chief", role=Role.ADMIN)
    factories.scope(chief, vm.vcenter)
    client = Client()
    client.force_login(chief)
    shown = client.get(API).json()["results"]
    assert {each["vm_context_id"] for each in shown} == {vm.pk}
    assert client.get(f"/virtual-machines/?vm={vm.pk}&tab=audit").context["panel"]["trail"]
    assert other.pk not in client.get("/audit/").content.decode()
    for role in (Role.VIEWER, Role.OPERATOR):
        client.force_login(factories.user(f"a {role}", role=role))
        assert client.get("/audit/").status_code == 403
        assert client.get(API).status_code == 403
        page = client.get(f"/virtual-machines/?vm={vm.pk}&tab=audit")
        assert page.context["panel"]["trail"] == []
        assert "/audit/" not in page.content.decode()


def test_statements_do_not_grow_with_the_trail(web: Client, vm: VMContext) -> None:
    def count(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert web.get(address).status_code == 200
        return len(captured)

    addresses = ("/audit/", API, f"/virtual-machines/?vm={vm.pk}&tab=audit")
    write(2)
    few = [count(address) for address in addresses]
    write(30)
    factories.contexts(["a", "b", "c"])
    assert [count(address) for address in addresses] == few


def test_what_becomes_of_users_is_told_without_a_password(vm: VMContext) -> None:
    with trail.acting(Somebody(via=Via.ADMIN, actor="chief")):
        made = factories.user("dora", password="sesame-for-dora", role=Role.OPERATOR)
        made.set_password("another-sesame")
        made.is_active = False
        made.save()
        made.save(update_fields=["last_login"])
        factories.scope(made, vm.vcenter, "/Lab/vm")
        made.delete()
    told = [
        (each.verb, each.kind, each.old_values, each.new_values)
        for each in Event.objects.filter(actor="chief").order_by("number")
    ]
    assert [each[:2] for each in told[:4]] == [
        ("add", "user"),
        ("change", "user"),
        ("change", "user"),
        ("add", "scope"),
    ]
    assert {each[:2] for each in told[4:]} == {("remove", "scope"), ("remove", "user")}
    assert told[1][2:] == ({"roles": []}, {"roles": ["operator"]})
    assert told[2][2:] == ({"is_active": True}, {"is_active": False, "password": "changed"})
    assert told[3][3]["folder"] == "/Lab/vm"
    assert "sesame" not in str(told)
