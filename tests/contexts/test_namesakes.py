"""VMs of one name are told apart by the least that differs."""

from __future__ import annotations

import pytest

from contexts.namesakes import Named, told_apart

A, B = "/Bonn/vm/a/web", "/Bonn/vm/b/web"


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([(A, "one"), (B, "two")], ["one", "two"]),
        ([(A, "one"), (A, "two")], ["one", "two"]),
        ([(A, "one"), (B, "one")], ["Bonn / a", "Bonn / b"]),
        ([("/Bonn/vm/web", "one"), ("/Ulm/vm/web", "one")], ["Bonn", "Ulm"]),
        ([(A, "one"), (B, "one"), (A, "two")], ["one, Bonn / a", "one, Bonn / b", "two, Bonn / a"]),
        ([(A, "one"), (A, "one")], ["key-0", "key-1"]),
        ([(A, "one"), (None, "one")], ["key-0", "key-1"]),
        ([(None, "one"), (None, "two")], ["one", "two"]),
    ],
)
def test_the_least_that_differs(places, said):
    vms = [Named(f"key-{at}", "web", *place) for at, place in enumerate(places)]
    other = Named("key-x", "db", A, "one")
    assert list(told_apart([*vms, other, *vms]).values()) == said


def test_one_vm_in_many_rows_is_one():
    assert told_apart([Named("key", "web", A, "one")] * 3) == {}
    assert told_apart([Named("a", None, A, "one"), Named("b", None, A, "one")]) == {}


def test_whereabouts_name_what_is_known():
    assert Named("ctx-1", "web", A, "one").whereabouts == f"{A}, one – ctx-1"
    assert Named("ctx-1", "web", None, None).whereabouts == "ctx-1"
