from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyVmomi import vim

from contexts.vsphere import names
from contexts.vsphere.collector import Found
from contexts.vsphere.errors import AnswerTooLarge
from contexts.vsphere.names import Places, decode_name, encode_name, parent_of


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("web01", "web01"),
        ("a%2fb", "a/b"),
        ("a%2Fb", "a/b"),
        ("50%25", "50%"),
        ("a%5cb", "a\\b"),
        ("%252f", "%2f"),
        ("100% sure", "100% sure"),
        ("%3Cb%3E", "%3Cb%3E"),
        ("<script>alert(1)<%2fscript>%2f..%2fx", "<script>alert(1)</script>/../x"),
    ],
)
def test_names_are_decoded_as_people_see_them(stored: str, shown: str) -> None:
    assert decode_name(stored) == shown


@given(st.text())
def test_encoding_keeps_every_name_apart(name: str) -> None:
    assert decode_name(encode_name(name)) == name
    assert "/" not in encode_name(name)


def places() -> Places:
    """root / folder "EU%2fWest" / datacenter DC0 / vm / linux"""
    made = Places("group-d1")
    for kind, moref, name, parent in (
        (vim.Folder, "group-d2", "EU%2fWest", vim.Folder("group-d1")),
        (vim.Datacenter, "datacenter-1", "DC0", vim.Folder("group-d2")),
        (vim.Folder, "group-v1", "vm", vim.Datacenter("datacenter-1")),
        (vim.Folder, "group-v2", "linux", vim.Folder("group-v1")),
    ):
        made.add(Found(kind(moref), {"name": name, "parent": parent}, {}))
    return made


def test_a_place_has_its_path_datacenter_and_url_path() -> None:
    place = places().place("a/b", "group-v2")
    assert place.path == "/EU%2fWest/DC0/vm/linux/a%2fb"
    assert place.datacenter == "DC0"
    assert place.datacenter_path == "EU%2fWest/DC0"


def test_a_vapp_is_a_part_of_the_path() -> None:
    made = places()
    vapp = vim.VirtualApp("resgroup-v9")
    made.add(Found(vapp, {"name": "shop", "parentFolder": vim.Folder("group-v2")}, {}))
    inner = vim.VirtualApp("resgroup-v10")
    made.add(Found(inner, {"name": "db", "parentVApp": vapp}, {}))
    place = made.place("m1", parent_of({"parentVApp": inner}))
    assert place.path == "/EU%2fWest/DC0/vm/linux/shop/db/m1"
    assert place.datacenter == "DC0"


def test_a_path_with_an_invisible_ancestor_is_unknown_but_the_datacenter_may_be_known() -> None:
    made = places()
    del made.names["group-d2"]
    place = made.place("m1", "group-v2")
    assert place.path is None
    assert place.datacenter == "DC0"
    assert place.datacenter_path is None


@pytest.mark.parametrize("parent", [None, "group-v99", "group-d1"])
def test_a_vm_under_an_unknown_parent_is_nowhere(parent: str | None) -> None:
    assert places().place("m1", parent).path is None
    assert places().place("m1", parent).datacenter is None


def test_a_ring_of_parents_ends() -> None:
    made = places()
    made.parents["datacenter-1"] = "group-v2"
    assert made.place("m1", "group-v2").path is None


def test_a_chain_of_folders_without_an_end_is_followed_so_far_and_no_path_is_made_up() -> None:
    made = Places("group-d1")
    for number in range(5_000):
        parent = vim.Folder(f"group-v{number + 1}")
        made.add(Found(vim.Folder(f"group-v{number}"), {"name": "f", "parent": parent}, {}))
    assert made.place("m1", "group-v0").path is None


def test_more_places_than_any_vcenter_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_MOST_PLACES", 4)
    made = places()
    with pytest.raises(AnswerTooLarge, match="more than 4"):
        made.add(Found(vim.Folder("group-v9"), {"name": "f"}, {}))
