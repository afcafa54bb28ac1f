"""What the clients of the mix do: people with browsers, and programs."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from vmrep.load.client import Answer, Connection, NoAnswer
from vmrep.load.figures import Figures

STATUS = "/status/"
_LIVE = re.compile(rb'id="live"[^>]*? data-version="([^"]*)"')
_STATUS = re.compile(rb'data-version="([^"]*)"')
_CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')
_SESSION = re.compile(r"sessionid=([^;]+)")
_CSRF_COOKIE = re.compile(r"csrftoken=([^;]+)")
SORTS = ("vm_name", "-vm_name", "protection", "-newest_point", "capacity_bytes")
TABS = ("", "jobs", "disks", "network", "cbt", "rpo", "policy", "points")


@dataclass(frozen=True)
class Site:
    """What there is to ask for: `contexts` and `jobs` are some of them, `vms` is how many."""

    port: int
    sessions: Sequence[str]
    token: str
    username: str
    password: str
    vms: int
    contexts: Sequence[str]
    jobs: Sequence[str]


class Act(NamedTuple):
    """`weight`: how often, against the others. `then`: how long whoever did it thinks, in seconds,
    on average."""

    name: str
    weight: float
    then: float
    do: Callable[[Client], Awaitable[None]]


class Client:
    """One of many; `number` says which session is its."""

    def __init__(self, site: Site, number: int, figures: Figures, until: float) -> None:
        self.site, self._figures, self._until = site, figures, until
        self.rng = random.Random(number)  # noqa: S311 - load, not secrets
        self._connection = Connection(site.port)
        self._cookie = f"sessionid={site.sessions[number % len(site.sessions)]}"
        self.shown = "/virtual-machines/"
        self._versions: dict[str, str] = {}
        self.started: list[str] = []

    async def live(self, acts: Sequence[Act]) -> None:
        weights = [act.weight for act in acts]
        await asyncio.sleep(self.rng.uniform(0, 2))  # they do not all come at once
        while time.monotonic() < self._until:
            (act,) = self.rng.choices(acts, weights)
            try:
                await act.do(self)
            except NoAnswer as problem:
                self._figures.wrong[f"{act.name}: {problem}"] += 1
            await asyncio.sleep(min(self.rng.expovariate(1 / act.then), 5 * act.then))
        self._connection.close()

    # ------------------------------------------------------------------ how it asks

    async def page(self, kind: str, path: str) -> Answer:
        """As a browser, which shows it from then on."""
        answer = await self.ask(kind, "GET", path, {"Cookie": self._cookie}, (200,))
        self.shown = path
        self._see(path, answer)
        return answer

    async def poll(self, kind: str, path: str) -> None:
        """What has changed since?"""
        told = {"HX-Request": "true", "X-Vmrep-Version": self._versions.get(path, "")}
        answer = await self.ask(kind, "GET", path, {"Cookie": self._cookie} | told, (200, 204))
        self._see(path, answer)

    def _see(self, path: str, answer: Answer) -> None:
        """Of a page that polls: its version. The banner at its top has one of its own."""
        found = (_STATUS if path == STATUS else _LIVE).search(answer.body)
        if found is not None:
            self._versions[path] = found[1].decode()

    async def api(
        self, kind: str, method: str, path: str, body: Any = None, expected: Sequence[int] = (200,)
    ) -> Answer:
        headers = {"Authorization": f"Token {self.site.token}", "Accept": "application/json"}
        content = b""
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return await self.ask(kind, method, f"/api/v1/{path}", headers, expected, content)

    async def ask(
        self,
        kind: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        expected: Sequence[int],
        body: bytes = b"",
    ) -> Answer:
        began = time.monotonic()
        answer = await self._connection.ask(method, path, headers, body)
        taken = time.monotonic() - began
        self._figures.note(kind, taken, answer.status, len(answer.body))
        if answer.status not in expected:
            said = answer.body[:200].decode(errors="replace")
            self._figures.wrong[f"{kind}: {answer.status} {said}"] += 1
        return answer

    @property
    def vm(self) -> str:
        return self.rng.choice(self.site.contexts)

    @property
    def job(self) -> str:
        return self.rng.choice(self.site.jobs)


# ---------------------------------------------------------------------- people


async def _table(client: Client) -> None:
    query: dict[str, object] = {"sort": client.rng.choice(SORTS)}
    if client.rng.random() < 0.3:
        query["search"] = str(client.rng.randint(1, 999))
    elif client.rng.random() < 0.5:
        query["page"] = client.rng.randint(1, max(1, client.site.vms // 100))
    await client.page("table", f"/virtual-machines/?{urlencode(query)}")


async def _poll(client: Client) -> None:
    await client.poll("poll of the page", client.shown)


async def _status(client: Client) -> None:
    await client.poll("poll of the status", STATUS)


async def _panel(client: Client) -> None:
    query = {"vm": client.vm, "tab": client.rng.choice(TABS)}
    await client.page("panel", f"/virtual-machines/?{urlencode(query)}")


async def _jobs(client: Client) -> None:
    await client.page("jobs", "/jobs/")


async def _job(client: Client) -> None:
    await client.page("job", f"/jobs/{client.job}/")


async def _health(client: Client) -> None:
    await client.page("health", "/health/")


async def _file(client: Client) -> None:
    await client.page("CSV of all VMs", "/virtual-machines/?format=csv")


async def _login(client: Client) -> None:
    """In another browser."""
    page = await client.ask("login page", "GET", "/login/", {}, (200,))
    cookie, token = _CSRF_COOKIE.search(page.headers.get("set-cookie", "")), _CSRF.search(page.body)
    if cookie is None or token is None:
        raise NoAnswer("the login page has no token")
    form = {"username": client.site.username, "password": client.site.password}
    body = urlencode({**form, "csrfmiddlewaretoken": token[1].decode()}).encode()
    headers = {
        "Cookie": f"csrftoken={cookie[1]}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    await client.ask("login", "POST", "/login/", headers, (302,), body)


# ---------------------------------------------------------------------- programs


async def _list(client: Client) -> None:
    query = {"page_size": 100, "page": client.rng.randint(1, max(1, client.site.vms // 200))}
    await client.api("API: list of VMs", "GET", f"vm-contexts/?{urlencode(query)}")


async def _one(client: Client) -> None:
    await client.api("API: VM", "GET", f"vm-contexts/{client.vm}/")


async def _list_jobs(client: Client) -> None:
    await client.api("API: list of jobs", "GET", "replications/?status=failed")


async def _start(client: Client) -> None:
    """Another client may be first: then it is told so."""
    path = f"vm-contexts/{client.vm}/replications/"
    answer = await client.api("start", "POST", path, {}, (202, 409))
    if answer.status == 202:
        client.started.append(json.loads(answer.body)["id"])


async def _cancel(client: Client) -> None:
    if not client.started:
        await _start(client)
    if client.started:
        job = client.started.pop()
        await client.api("cancel", "POST", f"replications/{job}/cancel/", {}, (200, 202, 409))


async def _scrape(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.site.token}"}
    await client.ask("metrics without VMs", "GET", "/metrics?vms=no", headers, (200,))


async def _scrape_all(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.site.token}"}
    await client.ask("metrics of all VMs", "GET", "/metrics", headers, (200,))


# What people look at stays on the screen, and polls every two seconds (content and status).
PEOPLE = (
    Act("poll of the page", 40, 1.0, _poll),
    Act("poll of the status", 20, 1.0, _status),
    Act("table", 10, 5.0, _table),
    Act("panel", 14, 5.0, _panel),
    Act("jobs", 4, 5.0, _jobs),
    Act("job", 6, 5.0, _job),
    Act("health", 3, 5.0, _health),
    Act("CSV", 0.2, 20.0, _file),
    Act("login", 1, 5.0, _login),
)
PROGRAMS = (
    Act("API: list of VMs", 25, 1.0, _list),
    Act("API: VM", 25, 1.0, _one),
    Act("API: list of jobs", 15, 1.0, _list_jobs),
    Act("start", 15, 1.0, _start),
    Act("cancel", 15, 1.0, _cancel),
    Act("metrics without VMs", 3, 5.0, _scrape),
    Act("metrics of all VMs", 0.5, 30.0, _scrape_all),
)
WHOLE_FILES = ("CSV of all VMs", "metrics of all VMs")
"""They have 10,000 VMs in one answer: the bound of the others is not theirs."""
