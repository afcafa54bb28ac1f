"""Repositories: listed with what the storage itself says, and added."""

from __future__ import annotations

import re
import shutil

import pytest

from replication.models import Repository
from tests import factories
from tests.web.conftest import notices, text
from vmrep.web.formats import binary


def test_the_list_asks_the_storage_itself(web, tmp_path):
    factories.repository("here", tmp_path / "here")
    page = text(web.get("/repositories/"))
    assert "Available" in page
    assert str(tmp_path / "here") in page
    assert re.search(r"iB<div[^>]*>of [0-9.]+ .iB", page)


def test_every_page_means_the_same_by_free_and_total(web, small_ext4):
    """Neither counts what the file system keeps for root."""
    factories.context(keep_in=factories.repository("disk", small_ext4.folder / "r"))
    usage = shutil.disk_usage(small_ext4.folder)
    free, total = binary(usage.free), binary(usage.used + usage.free)
    assert total != binary(usage.total)
    cell = re.search(r">([0-9.]+ .iB)<div[^>]*>of ([0-9.]+ .iB)", text(web.get("/repositories/")))
    home = re.search(
        r'home-value[^>]*>([0-9.]+ .iB)</a>\s*<span[^>]*title="disk: ([0-9.]+ .iB) free of'
        r" ([0-9.]+ .iB);[^>]*>of ([0-9.]+ .iB)",
        text(web.get("/virtual-machines/")),
    )
    assert cell.groups() == (free, total)
    assert home.groups() == (free, free, total, total)


def test_a_missing_marker_is_shown(web, tmp_path):
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


def test_what_is_wrong_is_shown_at_its_field(web, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for path in ("relative/path", tmp_path / "file"):
        form = add(web, "new", path).context["form"]
        assert list(form.errors) == ["path"]
    assert not Repository.objects.exists()


def test_a_folder_or_name_is_added_once(web, tmp_path):
    add(web, "new", tmp_path / "replicas")
    assert "is already the repository new" in text(add(web, "other", tmp_path / "replicas"))
    assert "name" in add(web, "new", tmp_path / "elsewhere").context["form"].errors
    assert Repository.objects.count() == 1


def refusal(web, path: object) -> str:
    return str(add(web, "new", path).context["form"].errors["path"])


def test_a_path_is_kept_as_the_folder_really_is(web, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    add(web, "a", f"{tmp_path}/link//x/../replicas/")
    assert Repository.objects.get().config == {"path": f"{tmp_path}/disk/replicas"}


@pytest.mark.parametrize("spelling", ["{}/replicas/", "{}//replicas", "{}/x/../replicas"])
def test_another_spelling_is_the_same_folder(web, tmp_path, spelling):
    add(web, "first", tmp_path / "replicas")
    assert "is already the repository first" in refusal(web, spelling.format(tmp_path))


def test_a_repository_is_neither_in_another_one_nor_around_it(web, tmp_path):
    add(web, "first", tmp_path / "a/b")
    assert "inside the repository first" in refusal(web, tmp_path / "a/b/c/d")
    assert "contains the repository first" in refusal(web, tmp_path / "a")
    assert not (tmp_path / "a/b/c").exists()
    add(web, "second", tmp_path / "a/bc")
    assert Repository.objects.count() == 2


@pytest.mark.parametrize("path", ["/", "//", "/tmp/.."])
def test_the_whole_machine_is_refused(web, path):
    assert "whole machine" in refusal(web, path)


def test_a_folder_with_other_things_in_it_is_refused(web, tmp_path):
    (tmp_path / "lost+found").mkdir()
    add(web, "fresh disk", tmp_path)
    assert Repository.objects.count() == 1
    Repository.objects.all().delete()
    (tmp_path / "vmrep-repository.json").unlink()
    (tmp_path / "photos").mkdir()
    assert "is not empty (photos)" in refusal(web, tmp_path)


def test_a_marker_that_nobody_knows_is_left_alone(web, tmp_path):
    add(web, "new", tmp_path / "a")
    before = (tmp_path / "a/vmrep-repository.json").read_bytes()
    Repository.objects.all().delete()
    assert "another vmrep may be using it" in refusal(web, tmp_path / "a").replace("\n", " ")
    assert (tmp_path / "a/vmrep-repository.json").read_bytes() == before


@pytest.mark.parametrize(
    ("path", "words"),
    [("/proc/vmrep", "cannot be used"), ("/dev/null/x", "a part of the path is a file")],
)
def test_what_the_system_refuses_is_put_into_words(web, path, words):
    said = refusal(web, path)
    assert words in said
    assert "Errno 20" not in said
    assert not Repository.objects.exists()


def test_a_folder_that_others_can_write_to_is_refused_and_not_marked(web, tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    assert f"chmod go-w {folder}" in refusal(web, str(folder))
    assert not Repository.objects.exists()
    assert list(folder.iterdir()) == []


# ------------------------------------------------------------------ removing


@pytest.mark.django_db(transaction=True)
def test_an_unused_one_is_removed_and_its_folder_stays(web, tmp_path):
    repository = factories.repository("old", tmp_path / "old")
    (tmp_path / "old/notes.txt").write_text("mine")
    assert "Remove old</button>" in text(web.get(f"/repositories/{repository.pk}/remove/"))
    answer = web.post(f"/repositories/{repository.pk}/remove/", follow=True)
    assert "old was removed" in notices(answer)[0]
    assert not Repository.objects.exists()
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["notes.txt"]


def test_one_whose_folder_is_away_can_be_removed(web, tmp_path):
    repository = factories.repository("away", tmp_path / "away")
    shutil.rmtree(tmp_path / "away")
    web.post(f"/repositories/{repository.pk}/remove/")
    assert not Repository.objects.exists()


def test_one_that_something_depends_on_says_what_and_stays(web, tmp_path):
    repository = factories.repository("used", tmp_path / "used")
    factories.completed_job(factories.context(keep_in=repository))
    page = text(web.get(f"/repositories/{repository.pk}/remove/"))
    for words in ("1 VM record,", "1 recovery point,", "1 disk image", "1 job"):
        assert words in page
    assert "btn-danger" not in page
    answer = web.post(f"/repositories/{repository.pk}/remove/", follow=True)
    assert "used cannot be removed: 1 VM record(s), 1 recovery point(s)" in notices(answer)[0]
    assert Repository.objects.get() == repository
    assert (tmp_path / "used/vmrep-repository.json").exists()
