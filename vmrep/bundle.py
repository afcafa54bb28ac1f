"""All that is known about one job in one file, for whoever looks for the cause of its trouble.

It is a ZIP archive of JSON, bounded in size and time, and holds no secret.

Secrets are left out by naming what goes in: columns of a vCenter, settings by their kind.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Model, QuerySet

from contexts import trail
from contexts.clock import database_now
from contexts.models import VCenter, VMContext
from contexts.services.transactions import one_transaction
from contexts.trail import Kind, Verb
from replication.engine.errors import EngineError
from replication.engine.target import Layer
from replication.models import DiskImage, ReplicationJob, Repository
from replication.selectors.health import Parts, health
from replication.selectors.replica import layers_of
from replication.storage.targets import target, visit
from vmrep import __version__, environment

MOST_ROWS = 1000
"""Of each table."""
MOST_BYTES = 32 << 20
"""Of all parts together, before they are compressed; what would exceed it is left out, and said."""
MOST_IMAGES = 200
HEADERS_SECONDS = 5.0

_OF_VCENTER = (
    *("id", "name", "host", "port", "username", "trust_mode", "fingerprint_sha256", "transport"),
    *("nbd_command", "product", "api_version", "instance_uuid", "host_uuid"),
    *("login_refused_at", "login_refused_why", "created_at", "updated_at"),
)
_PACKAGES = ("Django", "djangorestframework", "celery", "redis", "psycopg", "pyvmomi", "gunicorn")
_README = """Everything that vmrep {version} knew about the job {job} at {at}.

It holds names of VMs, hosts, datastores, users and folders, but no password, key or token. Look
through it before you send it to anybody.

log.json has the job's own log. What its worker wrote besides is in the log of that worker
({worker}); with systemd:
journalctl --unit 'vmrep-*' --since '{since}' --grep '{job}'
"""


class Bundle(NamedTuple):
    name: str
    content: bytes


def make(job: ReplicationJob, parts: Parts, *, actor: str) -> Bundle:
    """`job`: with its context, that one's vCenter, and its repository. `parts`: what its reader may
    see of who is alive. The audit trail tells that somebody has made it."""
    _tell(job, actor)
    archive = _Archive()
    archive.add("README.txt", _readme(job))
    for name, read in _parts_of(job, parts).items():
        archive.add(f"{name}.json", json.dumps(read(), indent=1, default=str))
    return Bundle(f"vmrep-{job.pk}.zip", archive.content())


@one_transaction
def _tell(job: ReplicationJob, actor: str) -> None:
    about = trail.subject(Kind.JOB, job.pk, job.pk, vm=job.vm_context)
    trail.tell(Verb.EXPORT, about, actor=actor, job_id=job.pk)


class _Archive:
    def __init__(self) -> None:
        self._file = io.BytesIO()
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        self._left = MOST_BYTES

    def add(self, name: str, text: str) -> None:
        content = text.encode()
        if len(content) > self._left:
            content = f"{name} is left out: the bundle would be too large.".encode()
            name = f"{name}.left-out.txt"
        self._left -= len(content)
        self._zip.writestr(name, content)

    def content(self) -> bytes:
        self._zip.close()
        return self._file.getvalue()


def _readme(job: ReplicationJob) -> str:
    return _README.format(
        version=__version__,
        job=job.pk,
        at=f"{database_now():%Y-%m-%d %H:%M:%S} UTC",
        worker=job.worker_name or "none yet",
        since=f"{job.created_at:%Y-%m-%d %H:%M:%S} UTC",
    )


def _parts_of(job: ReplicationJob, parts: Parts) -> Mapping[str, Callable[[], object]]:
    vm = job.vm_context
    return {
        "job": partial(_row, job),
        "steps": partial(_rows, job.steps.order_by("id")),
        "log": partial(_rows, job.log_lines.order_by("-id")),
        "samples": partial(_rows, job.samples.order_by("id")),
        "events": partial(_rows, vm.events.order_by("-id")),
        "images": partial(_rows, DiskImage.objects.filter(vm_context=vm).order_by("-id")),
        "cbt_history": partial(_rows, vm.cbt_history.order_by("-id")),
        "snapshots": partial(_rows, vm.snapshots.order_by("-id")),
        "recovery_points": partial(_rows, vm.recovery_points.order_by("-id")),
        "other_jobs": partial(_rows, vm.jobs.exclude(pk=job.pk).order_by("-created_at")[:50]),
        "vm": partial(_row, vm),
        "disks": partial(_rows, vm.disks.order_by("id")),
        "vcenter": partial(_vcenter, vm),
        "repository": partial(_repository, job.repository),
        "chain_headers": partial(_headers, job),
        "health": partial(_health, parts),
        "versions": _versions,
        "settings": _settings,
    }


def _row(row: Model) -> dict[str, object]:
    return {field.attname: _plain(getattr(row, field.attname)) for field in row._meta.fields}


def _rows(rows: QuerySet[Any]) -> list[dict[str, object]]:
    return [_row(row) for row in rows[:MOST_ROWS]]


def _plain(value: object) -> object:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _vcenter(vm: VMContext) -> dict[str, object]:
    row: VCenter = vm.vcenter
    found = {name: getattr(row, name) for name in _OF_VCENTER}
    return found | {"signs": _rows(row.signs.order_by("id"))}


def _repository(repository: Repository) -> dict[str, object]:
    space = repository.space.order_by("-hour")[:48]
    return _row(repository) | {
        "signs": _rows(repository.signs.order_by("id")),
        "space": _rows(space),
    }


def _headers(job: ReplicationJob) -> object:
    """What the images of the VM say of themselves that their rows do not; only where this process
    reaches the repository."""
    images = DiskImage.objects.filter(vm_context=job.vm_context, repository=job.repository)
    chains = {image.locator: layers_of(image) for image in images.order_by("-id")[:MOST_IMAGES]}
    try:
        return visit(
            job.repository,
            "bundle",
            partial(_compare, job.repository, chains),
            seconds=HEADERS_SECONDS,
        )
    except EngineError as problem:
        return {"not_read": str(problem)}


def _compare(repository: Repository, chains: Mapping[str, list[Layer]]) -> dict[str, object]:
    """Uses no database."""
    storage = target(repository)
    storage.check()
    found: dict[str, object] = {}
    for locator, chain in chains.items():
        told: dict[str, object] = {"chain": [layer._asdict() for layer in chain]}
        try:
            told["differences"] = [words for _, words in storage.differences(chain)]
        except EngineError as problem:
            told["problem"] = str(problem)
        found[locator] = told
    return found


def _health(parts: Parts) -> dict[str, object]:
    state = health(database_now(), parts)
    return {
        "troubles": [each._asdict() for each in state.troubles],
        "processes": [{"state": each.state, **_row(each.sign)} for each in state.processes],
        "redis": state.redis,
        "tick_at": state.tick_at,
    }


def _versions() -> dict[str, object]:
    with connection.cursor() as cursor:
        is_postgres = connection.vendor == "postgresql"
        cursor.execute("SHOW server_version" if is_postgres else "SELECT sqlite_version()")
        (database,) = cursor.fetchone()
    return {
        "vmrep": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "database": f"{connection.vendor} {database}",
        **{name: metadata.version(name) for name in _PACKAGES},
    }


_SHOWN = frozenset(
    {
        *(environment.Kind.FLAG, environment.Kind.NUMBER, environment.Kind.NETWORKS),
        *(environment.Kind.PROXIES, environment.Kind.LOG_FORMAT),
    }
)


def _settings() -> dict[str, str]:
    """Of this process. What may be a secret, or hold one, is told to be set, and no more."""
    found = {}
    for variable in environment.VARIABLES:
        for name in (variable.name, f"{variable.name}_FILE"):
            if (value := os.environ.get(name)) is not None:
                is_shown = variable.kind in _SHOWN and name == variable.name
                found[name] = value if is_shown else "(set)"
    return found
