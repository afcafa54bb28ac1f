"""One table says what each transport can read; whoever depends on it asks there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from contexts.states import CHOSEN_TRANSPORTS, TransportKind
from contexts.vsphere.transports import TRANSPORTS
from replication.sync.source import WAYS

ROOT = Path(__file__).parents[2]


def test_every_transport_that_the_database_knows_has_its_row() -> None:
    assert set(TRANSPORTS) == {kind.value for kind in TransportKind}


def test_every_transport_that_can_be_chosen_opens_a_source() -> None:
    chosen = {kind.value for kind in CHOSEN_TRANSPORTS}
    assert set(WAYS) == chosen
    for transport in TRANSPORTS.values():
        assert set(transport.candidates) <= chosen
        assert bool(transport.place) == (transport.code in chosen)


def _compares_a_transport(node: ast.AST) -> bool:
    codes = {kind.value for kind in TransportKind}
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    named = any("transport" in ast.unparse(side).lower() for side in sides)
    literal = any(isinstance(side, ast.Constant) and side.value in codes for side in sides)
    member = any("TransportKind." in ast.unparse(side) for side in sides)
    return (named and literal) or member


@pytest.mark.parametrize("room", ["contexts", "replication", "vmrep"])
def test_nobody_asks_which_transport_it_is(room: str) -> None:
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / room).rglob("*.py")
        if "transport" in (source := path.read_text()).lower()
        for node in ast.walk(ast.parse(source))
        if _compares_a_transport(node)
    ]
    assert asked == []
