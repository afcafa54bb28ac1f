"""Repositories: listed with what the storage itself says, and added."""

from __future__ import annotations

import re
import shutil

from replication.models import Repository
from tests import factories
from tests.web.conftest import notices, text


def test_the_list_asks_the_storage_itself(web, tmp_path):
    factories.repository("here", tmp_path / "here")
    page = text(web.get("/repositories/"))
    assert "Available" in page
    assert str(tmp_path / "here") in page
    assert re.search(r"iB<div[^>]*>of [0-9.]+ .iB", page)


def test_a_missing_marker_is_told(web, tmp_path):
    factories.repository("unmounted", tmp_path / "share")
    shutil.rmtree(tmp_path / "share")
    page = text(web.get("/repositories/"))
    assert "Unavailable" in page
    assert "vmrep-repository.json" in page


def test_an_empty_list_says_what_a_repository_is(web):
    assert "No repository yet" in text(web.get("/repositories/"))


def test_the_number_of_queries_does_not_grow_with_the_rows(web, queries):
    factories.repository()
    one = queries(lambda: web.get("/repositories/"))
    for _ in range(29):
        factories.repository()
    assert queries(lambda: web.get("/repositories/")) == one


def add(web, name: str, path: object):
    return web.post("/repositories/add/", {"name": name, "path": str(path)}, follow=True)


def test_adding_makes_the_folder_a_repository(web, tmp_path):
    answer = add(web, "new", tmp_path / "replicas")
    assert Repository.objects.get().config == {"path": str(tmp_path / "replicas")}
    assert (tmp_path / "replicas/vmrep-repository.json").exists()
    assert answer.redirect_chain == [("/repositories/", 302)]
    assert notices(answer) == ["The repository new is ready."]


def test_what_is_wrong_is_said_at_its_field(web, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for path in ("relative/path", tmp_path / "file"):
        form = add(web, "new", path).context["form"]
        assert list(form.errors) == ["path"]
    assert not Repository.objects.exists()


def test_a_folder_or_name_is_added_once(web, tmp_path):
    add(web, "new", tmp_path / "replicas")
    assert "is the repository new already" in text(add(web, "other", tmp_path / "replicas"))
    assert "name" in add(web, "new", tmp_path / "elsewhere").context["form"].errors
    assert Repository.objects.count() == 1
