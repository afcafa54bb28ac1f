"""Secrets that were given to a whole installation at work are nowhere that anybody can look: in its
database, its logs, its queue, its processes' arguments and environments, pages and answers.

Each secret is a canary: a text that is nowhere else. It is looked for as it is, and as what usual
encodings make of it. Whether looking would find anything is tested beside it, by something harmless
that must be in each place.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
import signal
import socket
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from redis import Redis

from contexts.vsphere.tls import presented_certificate
from tests.asking import FILLED, OURS, RULES
from tests.e2e.installation import PASSWORD, USER, Installation, below
from tests.labs import LabCache
from vmrep.lab import Lab, LabControl
from vmrep.local.ports import THIS_MACHINE

pytestmark = pytest.mark.slow

CANARIES = {
    "a user's password": "canary1Zx7userpassword",
    "a wrong password": "canary2Zx7wrongpassword",
    "a vCenter's password": "canary3Zx7vcenterpassword",
    "its next password": "canary4Zx7nextpassword",
    "a mail server's password": "canary5Zx7mailpassword",
    "a webhook's secret": "whsec_" + base64.b64encode(b"canary6Zx7webhooksecret!").decode(),
    "a webhook's address": "canary7Zx7webhookpath",
    "the provider's secret": "canary8Zx7providersecret",
    "monitoring's token": "canary9Zx7monitoringtoken0123456789",
}
PATIENCE = 120.0
ACCOUNT = "administrator@vsphere.local"
HARMLESS = {
    **dict.fromkeys(("the database", "pages and answers", "the audit log"), ACCOUNT.encode()),
    **{"the queue": b"replication", "arguments": b"qemu", "environments": b"VMREP_DATA_DIR"},
    **{"logs": b"Traceback", "manifests": b"small1"},
}
"""What must be found where the secrets must not."""


def disguises(secret: str) -> Iterator[bytes]:
    """It, and what usual encodings make of it."""
    plain = secret.encode()
    yield plain
    yield quote(secret, safe="").encode()
    yield html.escape(secret).encode()
    yield plain.hex().encode()
    for before in (b"", b"x", b"xx"):  # in the middle of something, in base 64
        whole = base64.b64encode(before + plain)
        yield whole[4 if before else 0 : -4]


class Watching:
    """What the installation's processes and its queue show while it works."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.arguments: set[bytes] = set()
        self.environments: set[bytes] = set()
        self.queued = b""
        self._ended = threading.Event()
        self._queue = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Watching:
        self._queue.connect(str(self._installation.redis_socket))
        self._queue.settimeout(0.5)
        self._queue.sendall(b"MONITOR\r\n")
        self._threads = [threading.Thread(target=each) for each in (self._look, self._listen)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._queue.close()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            children = [
                child.process.pid
                for name, child in self._installation.children.items()
                if name != "postgres"
            ]
            for pid in (*children, *(inner for each in children for inner in below(each))):
                try:
                    self.arguments.add(Path(f"/proc/{pid}/cmdline").read_bytes())
                    self.environments.add(Path(f"/proc/{pid}/environ").read_bytes())
                except OSError:
                    continue  # it has ended

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                self.queued += self._queue.recv(1 << 16)
            except TimeoutError:
                continue


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vmrep-canaries-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def lab(lab_cache: LabCache, folder: Path) -> Iterator[Lab]:
    password = CANARIES["a vCenter's password"]
    with lab_cache.running("small", folder / "lab", password=password) as lab:
        yield lab


@pytest.fixture(scope="module")
def installation(folder: Path) -> Iterator[Installation]:
    """Some processes write logs as text, the others as JSON."""
    files = {}
    for name, secret in (
        ("VMREP_OIDC_CLIENT_SECRET", "the provider's secret"),
        ("VMREP_METRICS_TOKEN", "monitoring's token"),
    ):
        (folder / name).write_text(CANARIES[secret])
        files[f"{name}_FILE"] = str(folder / name)
    environment = files | {
        "VMREP_OIDC_ISSUER": "http://127.0.0.1:9",
        "VMREP_OIDC_CLIENT_ID": "vmrep",
        "VMREP_ALLOW_ADDRESSES": THIS_MACHINE,
        "VMREP_LOG_LEVEL": "DEBUG",
        "VMREP_AUDIT_LOG": str(folder / "audit.jsonl"),
    }
    text = {"VMREP_LOG_FORMAT": "text"}
    with Installation(folder / "vmrep", environment, {"web": text, "control": text}) as running:
        yield running


class Visitor:
    """Somebody with a browser and a program; what was answered is kept."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.answers: list[bytes] = []
        self.token = ""

    def page(self, path: str) -> str:
        answer = self._installation.get(path)
        self.answers.append(answer.text.encode())
        return answer.text

    def form(self, path: str, breaking: str = "", **fields: object) -> str:
        """Send the form of the page at that address; `breaking`: while that table is broken."""
        page = self.page(path)
        found = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page)
        assert found is not None, page
        sent = {"csrfmiddlewaretoken": found[1], **{name: str(it) for name, it in fields.items()}}
        with broken(self._installation, breaking) if breaking else nullcontext():
            answer = self._installation.ask("POST", path, sent)
        self.answers.append(answer.text.encode())
        return answer.text

    def api(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._installation.call(method, path, body, self.token)
        if path != "token/" or answer.status >= 400:  # a new token is shown, once
            self.answers.append(answer.text.encode())
        if answer.content.startswith(b"PK"):
            bundle = zipfile.ZipFile(io.BytesIO(answer.content))
            self.answers += [bundle.read(name) for name in bundle.namelist()]
        return json.loads(answer.text or "{}") if answer.text[:1] in ("", "{", "[") else {}

    def until(self, found: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (it := found()):
            assert time.monotonic() < deadline, self.answers[-1]
            time.sleep(0.3)
        return it


def test_a_secret_is_nowhere_to_be_seen(installation: Installation, lab: Lab, folder: Path) -> None:
    visitor = Visitor(installation)
    with Watching(installation) as watching:
        queued = work(visitor, installation, lab, folder)
        crawl(visitor)
    session = installation.cookies["sessionid"]
    made = {**CANARIES, "a token": visitor.token, "a session's key": session}
    data = installation.folder / "data"
    made |= {name: (data / name).read_text().strip() for name in ("field_keys", "secret_key")}
    places = {
        "the database": installation.dump(),
        "the queue": watching.queued + queued,
        "arguments": b"\n".join(watching.arguments),
        "environments": b"\n".join(watching.environments),
        "logs": _content(installation.folder / "log"),
        "the audit log": (folder / "audit.jsonl").read_bytes(),
        "pages and answers": b"\n".join(visitor.answers),
        "manifests": _content(folder / "replicas", ".vmrep-*"),
    }
    for place, harmless in HARMLESS.items():
        assert harmless in places[place], f"{place}: nothing would be found there"
    found = [
        f"{what} is in {place}: {content[max(0, at - 80) : at + 40]!r}"
        for what, secret in made.items()
        for place, content in places.items()
        for disguise in disguises(secret)
        if (at := content.find(disguise)) >= 0
    ]
    assert not found, "\n".join(found)


def _content(folder: Path, pattern: str = "*") -> bytes:
    return b"\n".join(it.read_bytes() for it in sorted(folder.rglob(pattern)) if it.is_file())


def work(visitor: Visitor, installation: Installation, lab: Lab, folder: Path) -> bytes:
    """Every secret is entered, used, refused, and in the hands of something that breaks. What was
    in the queue while nobody took it."""
    _accounts(visitor, installation)
    vcenter = _vcenter(visitor, lab)
    _channels(visitor, installation)
    repository = {"name": "here", "path": str(folder / "replicas")}
    facts = visitor.api("POST", "repositories/", repository)["facts"]
    repository |= {"device": facts["device"], "on_system_disk": True}
    visitor.api("POST", "repositories/", repository)
    visitor.api("POST", f"vcenters/{vcenter}/discovery/")
    found = f"vcenters/{vcenter}/discovery/?search=small1"
    visitor.until(lambda: visitor.api("GET", found).get("results"))
    _replicated(visitor, "completed")
    with broken(installation, "vm_snapshots"):
        visitor.api("POST", "replications/", {"vm_name": "small1"})
        log = installation.folder / "log" / "copies.log"
        visitor.until(lambda: b"vm_snapshots" in log.read_bytes())
    visitor.until(lambda: _is_idle(visitor))
    LabControl(lab.control_url).set_password(CANARIES["its next password"])
    _replicated(visitor, "failed")
    visitor.api("POST", f"vcenters/{vcenter}/test/")
    wrong = {"password": CANARIES["a wrong password"]}
    visitor.api("PATCH", f"vcenters/{vcenter}/", wrong)
    visitor.api("PATCH", f"vcenters/{vcenter}/", {"password": CANARIES["its next password"]})
    installation.signal("copies", signal.SIGSTOP)
    visitor.api("POST", "replications/", {"vm_name": "small1"})
    queued = all_of_redis(installation)
    installation.signal("copies", signal.SIGCONT)
    visitor.until(lambda: _is_idle(visitor))
    return queued


def _accounts(visitor: Visitor, installation: Installation) -> None:
    password, wrong = CANARIES["a user's password"], CANARIES["a wrong password"]
    given = {"old_password": PASSWORD, "new_password1": password, "new_password2": password}
    visitor.form("/account/password/", **given)
    visitor.form("/account/confirm/", password=wrong)
    visitor.form("/account/confirm/", password=password)
    login = {"username": USER, "password": password, "scope": "danger"}
    visitor.token = visitor.api("POST", "token/", login)["token"]
    visitor.api("POST", "token/", login | {"password": wrong})
    with broken(installation, "auth_user"):
        visitor.api("POST", "token/", login)
    visitor.form("/users/add/", username="another", password=password, role="viewer")
    visitor.page("/oidc/")  # the provider is away


def _vcenter(visitor: Visitor, lab: Lab) -> int:
    """Its key."""
    shown = presented_certificate(lab.host, lab.port).fingerprint_sha256
    wanted = {"name": "lab", "host": lab.host, "port": lab.port, "username": ACCOUNT}
    wanted |= {"trust_mode": "pin", "transport": "datastore"}
    right = {"password": CANARIES["a vCenter's password"]}
    for password in (CANARIES["a wrong password"], right["password"]):
        page = {**wanted, "password": password, "confirm_fingerprint": shown, "port": "x"}
        visitor.form("/vcenters/add/", **page)
        visitor.form("/vcenters/add/", "vcenters", **page | {"port": lab.port})
    wanted["fingerprint_sha256"] = shown
    visitor.api("POST", "vcenters/", wanted | {"password": CANARIES["a wrong password"]})
    return int(visitor.api("POST", "vcenters/", wanted | right)["id"])


def _channels(visitor: Visitor, installation: Installation) -> None:
    """To where nobody listens."""
    mail = {"host": "127.0.0.1", "port": 9, "security": "tls", "username": "vmrep"}
    mail |= {"password": CANARIES["a mail server's password"]}
    mail |= {"sender": "vmrep@example.org", "recipients": ["ops@example.org"]}
    hook = {"url": "https://127.0.0.1:9/" + CANARIES["a webhook's address"]}
    hook |= {"secret": CANARIES["a webhook's secret"]}
    for kind, settings in (("email", mail), ("webhook", hook)):
        channel = {"name": kind, "kind": kind, "settings": settings}
        with broken(installation, "notification_channels"):
            visitor.api("POST", "notification-channels/", channel)
        key = visitor.api("POST", "notification-channels/", channel)["id"]
        visitor.api("POST", f"notification-channels/{key}/test/")
        visitor.api("POST", "notification-rules/", {"channel_id": key, "kinds": []})


def _replicated(visitor: Visitor, status: str) -> None:
    job = visitor.api("POST", "replications/", {"vm_name": "small1"})["id"]
    ended = ("completed", "failed", "cancelled")
    found = visitor.until(
        lambda: (it := visitor.api("GET", f"replications/{job}/"))["status"] in ended and it
    )
    assert found["status"] == status, found
    visitor.api("POST", f"replications/{job}/debug-bundle/", {})


def _is_idle(visitor: Visitor) -> bool:
    return visitor.api("GET", "vm-contexts/lookup/?vm_name=small1")["current_job"] is None


@contextmanager
def broken(installation: Installation, table: str) -> Iterator[None]:
    """Within, whatever reads or writes the table has an error that nobody expects."""
    installation.sql(f"ALTER TABLE {table} RENAME TO {table}_gone")
    try:
        yield
    finally:
        installation.sql(f"ALTER TABLE {table}_gone RENAME TO {table}")


def all_of_redis(installation: Installation) -> bytes:
    """Every key with what it holds."""
    queue = Redis(unix_socket_path=str(installation.redis_socket))
    readers: dict[bytes, Callable[[bytes], object]] = {
        **{b"string": queue.get, b"hash": queue.hgetall, b"set": queue.smembers},
        **{b"list": lambda key: queue.lrange(key, 0, -1)},
        **{b"zset": lambda key: queue.zrange(key, 0, -1, withscores=True)},
    }
    return b"\n".join(
        key + repr(readers[queue.type(key)](key)).encode() for key in queue.scan_iter()
    )


def crawl(visitor: Visitor) -> None:
    """Every page and list, and of what is there one of each."""
    keys = {name: 1 for address in OURS for name in address.holes}
    vm = visitor.api("GET", "vm-contexts/lookup/?vm_name=small1")
    keys |= {**FILLED, "context_id": vm["context"]["context_id"], "user_id": 1}
    keys["job_id"] = vm["job_history"][0]["id"]
    for address in (each for each in OURS if "GET" in RULES[each.name]):
        path = address.filled(keys)
        if not path.startswith("/account/logout"):
            visitor.page(path)
    for line in ("/audit/?format=csv", "/admin/contexts/vcenter/1/change/", "/metrics"):
        visitor.page(line)
