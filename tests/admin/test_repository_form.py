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


def errors(answer) -> dict:
    assert answer.status_code == 200
    return answer.context["adminform"].form.errors


def test_a_folder_becomes_a_repository(admin, tmp_path):
    body = {"name": "replicas", "path": str(tmp_path / "replicas")}
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

    def watched(root: Path, uuid: str) -> None:
        seen.append(connection.in_atomic_block)
        mark(root, uuid)

    monkeypatch.setattr(repositories.folders, "mark", watched)
    body = {"name": "replicas", "path": str(tmp_path / "replicas")}
    assert admin.post(address(Repository, "add"), body).status_code == 302
    assert seen == [False]
