"""No address, parameter, field or header makes the server fail: what makes no sense is refused or
read as nothing, on both databases, by pages, API and admin alike. The addresses come from the URL
configuration, so that a new one is tried without anybody thinking of it.

The fast tier tries addresses that stand for all of one kind: each parameter of a list with one
value, and all of them at once with every value. Of that, any other address gets a twelfth, the next
one the next twelfth. The slow tier tries the whole product. On PostgreSQL the fast tier tries one
address of each kind: what they have in common (parameters that become queries, keys that are
compared with a column) is where PostgreSQL refuses what SQLite takes. Of lists with the same
filters, each parameter alone is tried with the API's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver

from contexts.filters import DiscoveredVMFilter
from contexts.models import DiscoveredVM, VMContext, VMDisk
from replication.filters import JobFilter, ProtectedVMFilter
from replication.models import BandwidthWindow, PolicyScope, Repository
from replication.policies import services
from replication.services import bandwidth, bulk_acts, pauses
from replication.services.bulk_acts import Arguments
from replication.services.pauses import Subject
from tests import factories
from tests.shared_rows import shared_rows
from vmrep.api import bodies
from vmrep.notifications import services as notifications

PATHS = [
    *("x%00y", "%ED%A0%80", "%FF", "..%2F..%2Fetc", "%0D%0AX:%20y", "-1", "_00", "%D9%A3"),
    *("9" * 18, "9" * 19, "9" * 5000),
]
# In the slow tier, the first few are tried in each parameter of each list by itself.
VALUES = [
    *("9" * 30, "a\0b", "http://[", "9" * 5000, "", "x", "-1", "\ufffd", "%s", "\r\nX: y", "/x"),
    *("1e999", "nan", "٣", "1,2", "2026-13-45", "a" * 9000, "\u202e'\"--{{ 1 }}"),
]
ALONE = 4
HEADERS = {
    "HX-Current-URL": ["http://[", "\x7f", "//", "http://testserver/\u00ff?vm=%00", "9" * 5000],
    "HX-Request": ["true", "nonsense"],
    "HX-Target": ["\x7f", "a" * 9000],
    "HX-Trigger-Name-URI-AutoEncoded": ["true"],
    "HX-Triggering-Event": ["{", "[" * 5000, "9" * 5000],
    "X-Vmrep-Version": ["", ";;", "=", "9" * 5000, "\x7f", "a;b=c", ":", "-:9"],
    "Accept": ["text/html", "*", "a/b;q=x", ";", "application/json; indent=999999999", "\x7f"],
    "If-None-Match": ["*", '"', 'W/"', "9" * 5000],
    "If-Modified-Since": ["nonsense", "Thu, 01 Jan 99999 00:00:00 GMT"],
    "Range": ["bytes=9-1", "bytes=-" + "9" * 30],
    "Authorization": ["Token", "Token \u00ff", "Basic x", "Token a b", "Token " + "9" * 5000],
    "Content-Type": ["", ";", "multipart/form-data", "application/json; charset=x", "\x7f"],
    "Referer": ["http://[", "\x7f"],
    "Origin": ["http://[", "null"],
    "Host": ["[", "a:b", "localhost:99999999", "\x7f"],
    "X-Forwarded-Proto": ["\x7f"],
    "Cookie": [
        'sessionid="a\\000b"',
        "sessionid=\u00ff",
        'csrftoken="\\000"',
        "messages=nonsense",
        'messages="\\000"',
        "=;=;;",
        'a="\\777"',
    ],
}
FILTERS = {
    name
    for each in (ProtectedVMFilter, JobFilter, DiscoveredVMFilter)
    for name in each.base_filters
}
PARAMETERS = sorted(
    FILTERS
    | {"page", "page_size", "sort", "ordering", "columns", "vm", "tab", "points", "log", "view"}
    | {"folder", "next", "vm_name", "vcenter_host", "vmware_vm_id", "nobody_knows_this"}
)
OF_ADMIN = [
    *(
        "q",
        "o",
        "p",
        "e",
        "all",
        "id__exact",
        "pk__gt",
        "vcenter__id__exact",
        "status__exact",
        "to",
    ),
    *("created_at__gte", "unmanaged_at__isempty", "repository__id__exact", "is_staff__exact"),
    *(
        "_changelist_filters",
        "_popup",
        "_to_field",
        "term",
        "app_label",
        "model_name",
        "field_name",
    ),
]
FIELDS = [
    *("next", "vm", "action", "confirmed", "seconds", "wish", "confirm_vm_name", "repository"),
    *("delete_replica_data", "rpo_target", "everything", "view", "context", "decision", "step"),
    *("name", "host", "port", "username", "password", "trust_mode", "transport", "path", "index"),
    *("confirm_fingerprint", "fingerprint_sha256", "_selected_action", "select_across", "post"),
    *(
        "length",
        "reason",
        "until",
        "rpo_kind",
        "target",
        "cron",
        "hours",
        "retention_kind",
        "keep_last",
        "previewed",
        "kind",
    ),
    *(
        "folder",
        "pattern",
        "vcenter",
        "policy",
        "rpo_target_seconds",
        "accept_unprotected",
        "user",
        "key",
        "email",
        "groups",
    ),
]
# It would log this test's user out.
LEFT_OUT = ("logout/", "admin/logout/")
# The admin is the same for every model, but for the kinds of keys.
MODELS = ("contexts/vmcontext", "contexts/vcenter", "contexts/vmdisk", "replication/repository")
OTHERS = re.compile(rf"admin/(?!{'|'.join(MODELS)}).*/.*(<|add/)")


def routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).lstrip("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and not (route in LEFT_OUT or OTHERS.match(route)):
            yield route


ROUTES = sorted(set(routes(get_resolver().url_patterns)))
LISTS = [route for route in ROUTES if "<" not in route and "(" not in route]
# On PostgreSQL in the fast tier: each set of filters, the forms and bodies whose fields are stored
# or looked for as text or as numbers, and some of the admin's.
REPRESENTATIVES = {
    *("virtual-machines/", "virtual-machines/removed/", "jobs/", "discovery/", "login/"),
    *("virtual-machines/bulk/", "virtual-machines/<str:context_id>/rpo-target/"),
    *("vcenters/add/", "repositories/add/", "discovery/<int:vcenter_id>/take/"),
    *("api/v1/vm-contexts/", "api/v1/vm-contexts/lookup/", "api/v1/replications/"),
    *("api/v1/vcenters/", "api/v1/token/"),
    "api/v1/vm-contexts/<identifier:context_id>/delete-replica-data/",
    *("admin/contexts/vmcontext/", "admin/replication/replicationjob/"),
    *("admin/contexts/vcenter/add/", "admin/replication/repository/<path:object_id>/change/"),
}
FILTERED_AS_IN_THE_API = {"virtual-machines/", "jobs/"}
assert set(ROUTES) >= REPRESENTATIVES | FILTERED_AS_IN_THE_API
# These are compared with rows: the session, the token, what a page says that it shows.
HEADERS_WITH_KEYS = {"Cookie", "Authorization", "HX-Current-URL", "X-Vmrep-Version"}
WHOLE_PRODUCT = [
    pytest.param(False, id="some"),
    pytest.param(True, id="all", marks=pytest.mark.slow),
]
HOLE = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


def some_on_postgresql(some: Collection[str], of_all: Iterable[str]) -> list[Any]:
    """The fast tier tries only these on PostgreSQL."""
    return [
        name if name in some else pytest.param(name, marks=pytest.mark.any_database)
        for name in of_all
    ]


def kind_of_holes(route: str) -> tuple[str, str]:
    """Whose address it is (a page's, the API's, the admin's) and what its keys may be."""
    face = route.partition("/")[0]
    kinds = re.findall(r"<(\w+):\w+>|(\(\?P<\w+>)", route)
    return face if face in ("api", "admin") else "pages", str(kinds)


WITH_HOLES = [route for route in ROUTES if HOLE.search(route)]
ONE_OF_EACH_KIND = {kind_of_holes(route): route for route in WITH_HOLES}.values()


@pytest.fixture(scope="module")
def estate(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows that all these tests share, each in a savepoint of its own: a key for each hole in an
    address, and the session of one who may everything."""
    quick = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with shared_rows(django_db_blocker), override_settings(PASSWORD_HASHERS=quick):
        client = Client()
        client.force_login(factories.user("chief", is_staff=True, is_superuser=True))
        yield _keys(), client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def known(estate: tuple[dict[str, Any], str], db: None) -> dict[str, Any]:
    return estate[0]


@pytest.fixture
def client(estate: tuple[dict[str, Any], str], db: None) -> Client:
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = estate[1]
    return client


def _keys() -> dict[str, Any]:
    vm = factories.context("pgtest1", keep_in=factories.repository("here"))
    job = factories.completed_job(vm)
    factories.discovery(vm.vcenter)
    settings = {"url": "https://hooks.example.org/", "secret": f"whsec_{'a' * 40}"}
    channel = notifications.add_channel("hook", "webhook", settings)
    bandwidth.set_windows(None, [bandwidth.Window(1 << 20)], actor="x")
    return {
        "window_id": BandwidthWindow.objects.get().pk,
        "pause_id": pauses.pause(Subject("all"), until=None, reason="", actor="x").pk,
        "action_id": bulk_acts.ask(
            "pause", VMContext.objects.all(), Arguments(), trigger="manual", actor="x"
        ).pk,
        "channel_id": channel.pk,
        "rule_id": notifications.save_rule(channel, []).pk,
        "kind": "email",
        "context_id": vm.pk,
        "job_id": job.pk,
        "point_id": job.recovery_point.pk,
        "vcenter_id": vm.vcenter_id,
        "vm_id": DiscoveredVM.objects.get().pk,
        "disk_id": VMDisk.objects.values_list("pk", flat=True)[0],
        "repository_id": Repository.objects.get().pk,
        "policy_id": services.default_policy().pk,
        "group_id": (group := factories.group("Shop", vm)).pk,
        "member_id": group.members.get().pk,
        "scope_id": PolicyScope.objects.get().pk,
        "view_id": "1",
        "token_id": "1",
        "session_key": "x" * 32,
        "user_id": "1",
        "place_id": "1",
        "name": "api",
        "entry": "get_root",
        "page": "jobs",
        "object_id": "1",
        "id": "1",
        "app_label": "contexts",
        "content_type_id": "1",
        "url": "nothing",
    }


def filled(route: str, keys: dict[str, Any]) -> str:
    return "/" + HOLE.sub(lambda found: str(keys[found[1] or found[2]]), route)


def some_of(all_of_them: Sequence[str], route: str, whole: bool) -> Sequence[str]:
    """In the fast tier an address that stands for no others gets one of thirty (of fewer, one),
    the next one the next."""
    if whole or route in REPRESENTATIVES or route in ONE_OF_EACH_KIND:
        return all_of_them
    return all_of_them[ROUTES.index(route) % min(30, len(all_of_them)) :: 30]


def sound(answer: Any, what: object) -> None:
    assert answer.status_code < 500, f"{answer.status_code}: {what}"
    if answer.streaming:  # a file of a list holds one of few places until it is read
        for close in answer._resource_closers:
            close()


@pytest.mark.parametrize("whole", WHOLE_PRODUCT)
@pytest.mark.parametrize("route", some_on_postgresql(ONE_OF_EACH_KIND, WITH_HOLES))
def test_no_key_in_an_address_makes_it_fail(client, known, route, whole):
    holes = [one or other for one, other in HOLE.findall(route)]
    for hole in holes:
        for key in some_of(PATHS, route, whole):
            keys = {name: known[name] for name in holes} | {hole: key}
            address = filled(route, keys)
            sound(client.get(address), address[:200])
            sound(client.post(address), address[:200])


@pytest.mark.parametrize("whole", WHOLE_PRODUCT)
@pytest.mark.parametrize("route", some_on_postgresql(REPRESENTATIVES, LISTS))
def test_no_parameter_makes_a_list_fail(client, known, route, whole):
    names = OF_ADMIN if route.startswith("admin/") else PARAMETERS
    alone = whole or connection.vendor == "sqlite" or route not in FILTERED_AS_IN_THE_API
    tried = some_of(names, route, whole) if alone else ()
    for number, name in enumerate(tried, LISTS.index(route)):
        for value in VALUES[:ALONE] if whole else [VALUES[number % len(VALUES)]]:
            sound(client.get(f"/{route}", {name: value}), (route, name, value[:50]))
    for value in some_of(VALUES, route, whole):
        query = {name: [value, value] for name in names}
        sound(client.get(f"/{route}", query, headers={"HX-Request": "true"}), (route, value[:50]))


@pytest.mark.parametrize("whole", WHOLE_PRODUCT)
@pytest.mark.parametrize("route", some_on_postgresql(REPRESENTATIVES, ROUTES))
def test_no_field_makes_a_form_or_a_body_fail(client, known, route, whole):
    address = filled(route, known)
    words = {"action": "start", "decision": "same", "wish": "leave_out", "step": "address"}
    for value in some_of(VALUES, route, whole):
        fully = whole or value in VALUES[:ALONE]
        sound(client.post(address, dict.fromkeys(FIELDS, value)), (address, value[:50]))
        if fully:
            form = dict.fromkeys(FIELDS, value) | words
            sound(client.post(address, form), (address, value[:50]))
        if route.startswith("api/"):
            for kind in KINDS if fully else KINDS[:1]:
                body = json.dumps(dict.fromkeys(OF_BODIES, kind(value)))
                answer = client.generic("POST", address, body, content_type="application/json")
                sound(answer, (address, body[:80]))


KINDS: list[Callable[[str], Any]] = [str, lambda text: [text], lambda text: {text: text}]
OF_BODIES = sorted(
    name
    for each in vars(bodies).values()
    if isinstance(each, type) and issubclass(each, bodies.Body)
    for name in each().fields
)


@pytest.mark.parametrize("whole", WHOLE_PRODUCT)
@pytest.mark.parametrize("header", some_on_postgresql(HEADERS_WITH_KEYS, HEADERS))
def test_no_header_makes_a_page_fail(client, known, header, whole):
    anybody = Client(raise_request_exception=False)
    who = [client, anybody]
    for place, route in enumerate(("login/", "virtual-machines/", "static/css/vmrep.css")):
        for number, value in enumerate(HEADERS[header]):
            kinds: list[dict[str, str]] = [{}, {"HX-Request": "true"}]
            for more in kinds if whole else [kinds[(number + 1) % 2]]:
                headers = more | {header: value}
                for each in who if whole else [who[(place + number + 1) % 2]]:
                    sound(each.get(f"/{route}", headers=headers), (route, headers))
    for value in HEADERS[header]:
        for address in ("/api/v1/vm-contexts/", "/admin/contexts/vmcontext/", "/nowhere"):
            sound(client.get(address, headers={header: value}), (address, header, value))
            sound(client.post(address, b"x", headers={header: value}, content_type="text/x"), value)
            anonymous = Client(raise_request_exception=False)
            sound(anonymous.get(address, headers={header: value}), (address, header, value))
