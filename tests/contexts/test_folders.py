"""The folder tree that is made of inventory paths."""

from __future__ import annotations

from contexts.folders import NO_FOLDER, Folder, shown_folder, tree


def drawn(folder: Folder) -> dict[str, object]:
    return {f"{child.name} {child.count}": drawn(child) for child in folder.folders}


def test_every_folder_counts_what_is_in_it_and_below() -> None:
    top = tree(["/Lab/vm/Web/a", "/Lab/vm/Web/Old/b", "/Lab/vm/c"])
    assert top.count == 3
    assert drawn(top) == {"Lab 3": {"Web 2": {"Old 1": {}}}}


def test_a_datacenter_may_be_in_folders_itself() -> None:
    top = tree(["/Branch offices/Bonn/vm/x", "/Branch offices/Ulm/vm/y"])
    assert drawn(top) == {"Branch offices 2": {"Bonn 1": {}, "Ulm 1": {}}}


def test_names_are_shown_decoded_and_paths_kept_encoded() -> None:
    (lab,) = tree(["/Lab/vm/a%2fb/x"]).folders
    (folder,) = lab.folders
    assert (folder.name, folder.path) == ("a/b", "/Lab/vm/a%2fb")


def test_a_folder_that_somebody_called_vm_is_shown() -> None:
    assert drawn(tree(["/Lab/vm/vm/x", "/Lab/vm/other/y"])) == {
        "Lab 2": {"other 1": {}, "vm 1": {}}
    }


def test_what_is_nowhere_has_a_place_of_its_own() -> None:
    (nowhere,) = tree([None, None]).folders
    assert (nowhere.path, nowhere.count) == (NO_FOLDER, 2)


def test_two_spellings_are_two_folders() -> None:
    assert len(tree(["/Lab/vm/a/x", "/Lab/vm/A/x"]).folders[0].folders) == 2


def test_the_folder_of_a_vm_leaves_out_what_every_datacenter_has() -> None:
    assert shown_folder("/Bonn/vm/Production/db/x") == "Bonn / Production / db"
    assert shown_folder("/Bonn/vm/x") == "Bonn"
    assert shown_folder(None) is None
