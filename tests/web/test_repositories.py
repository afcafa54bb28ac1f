"""Repositories: listed with what the storage itself says, and added."""

from __future__ import annotations

import re
import shutil
import uuid
from dataclasses import replace

import pytest

from replication.errors import RepositoryRefused
from replication.models import PointRemoval, Repository
from replication.services import moving, repository_signs
from replication.storage import folders
from tests import factories
from tests.factories import MIB
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


def look_at(web, name: str, path: object):
    return web.post("/repositories/add/", {"name": name, "path": str(path)}, follow=True)


def add(web, name: str, path: object):
    """Look at the folder, then say that it is right."""
    looked = look_at(web, name, path)
    facts = looked.context.get("facts")
    if facts is None:
        return looked
    body = {"name": name, "path": facts["path"], "device": facts["device"], "on_system_disk": "on"}
    return web.post("/repositories/add/", body, follow=True)


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


def test_one_that_something_depends_on_says_what_and_what_to_do_and_stays(web, tmp_path):
    repository = factories.repository("used", tmp_path / "used")
    factories.completed_job(factories.context(keep_in=repository))
    page = text(web.get(f"/repositories/{repository.pk}/remove/"))
    for words in (
        "1 VM is kept there. Move each to another repository",
        "1 recovery point is there. Delete them",
    ):
        assert words in page
    assert "btn-danger" not in page
    answer = web.post(f"/repositories/{repository.pk}/remove/", follow=True)
    assert "used cannot be removed. 1 VM is kept there." in notices(answer)[0]
    assert Repository.objects.get() == repository
    assert (tmp_path / "used/vmrep-repository.json").exists()


# ------------------------------------------------------------------ a typo makes no repository


def test_the_first_look_shows_the_folder_and_makes_nothing(web, tmp_path):
    page = text(look_at(web, "new", tmp_path / "replcias"))
    assert "not there yet: it will be made" in page
    room = shutil.disk_usage(tmp_path)
    assert f"of {binary(room.used + room.free)}" in page
    assert not (tmp_path / "replcias").exists()
    assert not Repository.objects.exists()


def test_the_machines_own_file_system_is_asked_about(web, monkeypatch, tmp_path):
    real = folders._look_at
    monkeypatch.setattr(folders, "_look_at", lambda root: replace(real(root), is_of_system=True))
    looked = look_at(web, "new", tmp_path / "a")
    assert "Keep replicas on this machine’s own file system" in text(looked)
    body = {"name": "new", "path": str(tmp_path / "a"), "device": looked.context["facts"]["device"]}
    again = web.post("/repositories/add/", body)
    assert "the path has a typing error" in notices(again)[0]
    assert not (tmp_path / "a").exists()
    web.post("/repositories/add/", body | {"on_system_disk": "on"})
    assert Repository.objects.get().name == "new"


def test_a_share_that_went_away_after_the_look_makes_no_repository_below_its_mount_point(
    web, small_ext4
):
    """Shown was the share; confirmed would be the disk below."""
    folder = small_ext4.folder / "replicas"
    looked = look_at(web, "share", folder)
    facts = looked.context["facts"]
    assert (facts["mount_point"], facts["file_system"]) == (str(small_ext4.folder), "ext4")
    assert not facts["is_of_system"]
    with small_ext4.unmounted():
        body = {"name": "share", "path": str(folder), "device": facts["device"]}
        answer = web.post("/repositories/add/", body | {"on_system_disk": "on"})
        assert "Something was mounted or unmounted there since you looked" in notices(answer)[0]
        assert not folder.exists()
        with pytest.raises(RepositoryRefused, match="on another file system than a moment ago"):
            folders.mark(folder, str(uuid.uuid4()), facts["device"])
        assert not folder.exists()
    assert not Repository.objects.exists()


# ------------------------------------------------------------------ its page


@pytest.fixture
def kept(tmp_path):
    """Two VMs in a repository; one of them was moved to another one since."""
    here = factories.repository("here", tmp_path / "here")
    there = factories.repository("there", tmp_path / "there")
    stays = factories.context("stays", keep_in=here)
    moved = factories.context("<b>moved", keep_in=here)
    for vm in (stays, stays, moved):
        factories.completed_job(vm, planned_bytes=MIB)
    moving.move(moved, there, actor="ops")
    repository_signs.look()
    return here, there, stays, moved


def test_the_page_shows_what_is_in_it_by_vm_and_by_point(web, kept):
    here, there, stays, _ = kept
    page = text(web.get(f"/repositories/{here.pk}/"))
    assert "kept in there now" in page
    assert "&lt;b&gt;moved" in page
    assert "2 VMs" in page
    assert "1 VM under management" in page
    assert "3 MiB in 3 recovery points" in page
    points = text(web.get(f"/repositories/{here.pk}/?vm={stays.pk}"))
    assert points.count(f"/virtual-machines/{stays.pk}/points/") == 2
    assert "kept: no rule removes it" in points
    assert web.get(f"/repositories/{here.pk}/?vm=ctx-other").status_code == 404
    assert "No VM is kept here" not in text(web.get(f"/repositories/{there.pk}/"))


def test_the_space_of_today_is_what_the_rest_of_the_page_says(web, kept):
    """The first look of the hour said that nothing was stored, beside what was stored since."""
    here, stays = kept[0], kept[2]
    factories.completed_job(stays, planned_bytes=MIB)
    answer = web.get(f"/repositories/{here.pk}/")
    assert "4 MiB in 4 recovery points" in text(answer)
    assert [each.stored_bytes for each in answer.context["days"]] == [4 * MIB]
    assert here.space.get().stored_bytes == 3 * MIB


def test_everything_on_the_page_is_a_file_too(web, kept):
    here, _, stays, _ = kept
    address = f"/repositories/{here.pk}/"
    files = [
        b"".join(web.get(f"{address}?{query}").streaming_content).decode().splitlines()
        for query in ("format=csv", f"vm={stays.pk}&format=csv", "list=space&format=csv")
    ]
    assert [len(lines) for lines in files] == [3, 3, 2]
    assert "kept: no rule removes it" in files[1][1]


def test_it_is_renamed_and_its_reserve_set(web, kept):
    here = kept[0]
    address = f"/repositories/{here.pk}/"
    web.post(address, {"name": "vault", "reserve": "1.5"})
    here.refresh_from_db()
    assert (here.name, here.reserve_bytes) == ("vault", 3 << 29)
    assert "there" in text(web.post(address, {"name": "there", "reserve": ""}))
    assert "Another repository already has this name." in text(
        web.post(address, {"name": "there", "reserve": ""})
    )
    web.post(address, {"name": "vault", "reserve": ""})
    here.refresh_from_db()
    assert here.reserve_bytes is None


def test_the_pages_queries_do_not_grow_with_what_is_in_it(web, kept, queries):
    here, _, stays, _ = kept
    address = f"/repositories/{here.pk}/?vm={stays.pk}"
    one = queries(lambda: web.get(address))
    for number in range(3):
        factories.completed_job(factories.context(f"vm-{number}", keep_in=here))
        factories.completed_job(stays)
    assert queries(lambda: web.get(address)) == one


def test_a_vm_is_moved_on_a_page_and_what_it_left_can_be_deleted(web, kept, monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    here, there, stays, _ = kept
    page = text(web.get(f"/virtual-machines/{stays.pk}/move/"))
    assert f'value="{there.pk}"' in page
    assert f'value="{here.pk}"' not in page
    body = {"repository": there.pk, "replicate": "on"}
    answer = web.post(f"/virtual-machines/{stays.pk}/move/", body, follow=True)
    assert notices(answer) == ["stays is replicated into the repository there now."]
    stays.refresh_from_db()
    assert stays.current_job.repository == there

    address = f"/repositories/{here.pk}/vms/{stays.pk}/delete-points/"
    assert "2 recovery points of stays are in" in text(web.get(address))
    said = notices(web.post(address, follow=True))
    assert said[0] == "1 recovery point of stays will be removed."
    assert "1 recovery point cannot go: It is the newest" in said[1]
    assert "1 going" in text(web.get(f"/repositories/{here.pk}/"))


def test_other_rules_are_tried_without_changing_anything(web, kept):
    _, _, stays, _ = kept
    address = f"/virtual-machines/{stays.pk}/retention/"
    assert "2 stay, 0 go." in text(web.get(address))
    page = text(web.get(f"{address}?keep_last=1"))
    assert "Only tried: nothing is changed." in page
    assert "1 stays, 1 goes." in page
    assert "kept as one of the last" in page
    assert not PointRemoval.objects.exists()
    assert "less than or equal to 9999" in text(web.get(f"{address}?keep_last=99999"))
