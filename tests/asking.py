"""The addresses that there are, rows around VMs that a user sees and does not see, and users of all
kinds who ask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from replication.policies import services as policies
from tests import access_rules, factories, places
from vmrep.access.rights import OF_EVERY_USER, RIGHTS, Verb
from vmrep.accounts.models import Token
from vmrep.web.models import SavedView

RULES = access_rules.rules()
KINDS = {kind.__name__: kind for kind in (*RIGHTS, *OF_EVERY_USER)}
INSIDE, OUTSIDE = "within", "zq9x7"
FOLDER = "/Lab/vm/In"
OTHER_FOLDERS = ("/Lab/vm/in", "/Lab/vm/In-2", "/Lab/vm")
"""They are not below it, however alike: a database may not tell upper from lower case."""
FILLED = {
    **{"session_key": "none", "kind": "webhook", "page": "jobs", "name": "api"},
    "entry": "get_root",
    "place_id": 1,
}
QUERIES = {"limit-change": "?kind=vcenter_jobs"}
ROLES = ("nobody", "viewer", "operator", "admin")


class Address(NamedTuple):
    name: str
    route: str
    view_class: type | None

    @property
    def is_of_the_admin(self) -> bool:
        return self.route.startswith("admin/")

    @property
    def holes(self) -> set[str]:
        return set(re.findall(r"<(?:\w+:)?(\w+)>", self.route))

    def filled(self, keys: Mapping[str, Any]) -> str:
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda hole: str(keys[hole[1]]), self.route)
        return f"/{path.replace('^', '').replace('$', '')}{QUERIES.get(self.name, '')}"


def addresses(patterns: Any = None, names: str = "", route: str = "") -> Iterator[Address]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        here = route + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{names}{pattern.namespace}:" if pattern.namespace else names
            yield from addresses(pattern.url_patterns, inner, here)
        elif isinstance(pattern, URLPattern):
            view_class = getattr(pattern.callback, "view_class", None)
            yield Address(f"{names}{pattern.name}", here, view_class)


ADDRESSES = list(addresses())
OURS = [address for address in ADDRESSES if not address.is_of_the_admin]


class World(NamedTuple):
    people: dict[str, User]
    inside: dict[str, Any]
    outside: list[dict[str, Any]]


def world() -> World:
    """A shared repository and policy; a VM within a folder; others beside it and elsewhere."""
    repository = factories.repository("shared")
    policy = policies.add("shared", {}, actor="chief")
    one, other = factories.vcenter("one"), factories.vcenter(f"{OUTSIDE}-vcenter")
    shared = {"keep_in": repository, "policy": policy}
    inside = places.around_a_vm(INSIDE, at=one, folder=FOLDER, **shared)
    inside |= places.around_a_vcenter("one", one, policy)
    outside = [
        places.around_a_vm(f"{OUTSIDE}-{number}", at=one, folder=folder, **shared)
        for number, folder in enumerate(OTHER_FOLDERS)
    ]
    elsewhere = places.around_a_vm(f"{OUTSIDE}-vc", at=other, folder=FOLDER, **shared)
    elsewhere |= places.around_a_vcenter(OUTSIDE, other, policy)
    people = places.people(one, FOLDER)
    inside |= FILLED | {"user_id": people["viewer"].pk}
    return World(people, inside, [*outside, elsewhere])


class Asking:
    """Somebody asks; nothing of what that changes stays."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._clients: dict[str, Client] = {}
        self._keys: dict[str, dict[str, Any]] = {}

    def __call__(self, who: str, method: str, address: str, body: Any = "") -> Any:
        client, is_api = self.client(who), address.startswith("/api/")
        kind = "application/json" if is_api else "application/x-www-form-urlencoded"
        if method in ("GET", "HEAD"):
            body = ""
        elif is_api:
            body = json.dumps(body or {})
        with transaction.atomic():
            answer = client.generic(method, address, body, content_type=kind)
            transaction.set_rollback(True)
        return answer

    def client(self, who: str) -> Client:
        if who not in self._clients:
            self._clients[who] = Client()
            if who != "anonymous":
                self._clients[who].force_login(self.world.people[who])
        return self._clients[who]

    def keys_of(self, who: str) -> dict[str, Any]:
        """The objects within, and such as are each user's own."""
        if who not in self._keys:
            self._keys[who] = self._read_keys(who)
        return self._keys[who]

    def _read_keys(self, who: str) -> dict[str, Any]:
        keys = dict(self.world.inside)
        if who != "anonymous":
            user = self.world.people[who]
            view = SavedView.objects.create(user=user, page="jobs", name="x", query="")
            factories.token(user)
            token = Token.objects.get(user=user)
            keys |= {"view_id": view.pk, "token_id": token.pk}
        return {"view_id": 1, "token_id": 1} | keys


def expected_of(rule: str) -> str:
    """The role that may least: "nobody" is somebody without any."""
    if rule == "anybody":
        return "nobody"
    verb, kind = rule.split()
    if Verb(verb) in OF_EVERY_USER.get(KINDS[kind], ()):
        return "nobody"
    return RIGHTS[KINDS[kind]][Verb(verb)].value


def any_key(keys: Mapping[str, Any]) -> Any:
    """Of Django's admin: any key of an object."""

    class Keys(dict[str, Any]):
        def __missing__(self, name: str) -> str:
            return "1"

    return Keys(keys)
