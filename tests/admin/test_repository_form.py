"""A repository is added through the service, which writes its marker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection

from replication.models import Repository
from replication.services import repositories
from tests import factories
from tests.admin.estate import address


def confirmed(path: Path, **body: str) -> dict[str, object]:
    there = next(each for each in (path, *path.parents) if each.exists())
    seen = {"device": there.stat().st_dev, "on_system_disk": "on"}
    return {"name": "replicas", "path": str(path)} | seen | body


def errors(answer) -> dict:
    assert answer.status_code == 200
    return answer.context["adminform"].form.errors


def test_a_folder_becomes_a_repository_once_its_file_system_was_told(admin, tmp_path):
    body = {"name": "replicas", "path": str(tmp_path / "replicas")}
    asked = admin.post(address(Repository, "add"), body)
    assert list(errors(asked)) == ["device"]
    assert f"enter {tmp_path.stat().st_dev}" in asked.content.decode()
    assert not (tmp_path / "replicas").exists()
    body = confirmed(tmp_path / "replicas")
    assert admin.post(address(Repository, "add"), body).status_code == 302
    repository = Repository.objects.get()
    marker = json.loads((tmp_path / "replicas" / "vmrep-repository.json").read_text())
    assert marker["uuid"] == str(repository.uuid)
    assert repository.config == {"path": str(tmp_path / "replicas")}


def test_a_relative_path_is_refused(admin):
    answer = admin.post(address(Repository, "add"), {"name": "x", "path": "somewhere"})
    assert list(errors(answer)) == ["path"]


def test_a_folder_that_cannot_be_used_is_refused(admin, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    answer = admin.post(address(Repository, "add"), {"name": "x", "path": str(tmp_path / "file")})
    assert list(errors(answer)) == ["path"]
    assert not Repository.objects.exists()


def test_a_folder_is_taken_once(admin, tmp_path):
    factories.repository("first", tmp_path / "replicas")
    body = {"name": "second", "path": str(tmp_path / "replicas")}
    assert list(errors(admin.post(address(Repository, "add"), body))) == ["path"]


def test_a_name_that_is_taken_is_refused(admin, tmp_path):
    factories.repository("replicas")
    body = {"name": "replicas", "path": str(tmp_path / "replicas")}
    assert list(errors(admin.post(address(Repository, "add"), body))) == ["name"]


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_storage_is_waited_for(admin, tmp_path, monkeypatch):
    """On SQLite it would keep every worker from writing until the storage answers; and whatever
    failed later would undo the row, but not the marker."""
    seen = []
    mark = repositories.folders.mark

    def watched(root: Path, *what: object) -> None:
        seen.append(connection.in_atomic_block)
        mark(root, *what)

    monkeypatch.setattr(repositories.folders, "mark", watched)
    body = confirmed(tmp_path / "replicas")
    assert admin.post(address(Repository, "add"), body).status_code == 302
    assert seen == [False]
