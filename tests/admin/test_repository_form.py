"""A repository is added through the service, which writes its marker."""

from __future__ import annotations

import json

from replication.models import Repository
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
