"""One table says what each transport can read; whoever depends on it asks there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from contexts.states import AVAILABLE_TRANSPORTS, TransportKind
from contexts.vsphere.transports import TRANSPORTS
from replication.sync.source import OPENERS

ROOT = Path(__file__).parents[2]


def test_every_transport_that_the_database_knows_has_its_row() -> None:
    assert set(TRANSPORTS) == {kind.value for kind in TransportKind}
    assert {kind.value for kind in AVAILABLE_TRANSPORTS} == {
        code for code, transport in TRANSPORTS.items() if transport.is_available
    }


def test_every_available_transport_opens_a_source() -> None:
    assert set(OPENERS) == set(AVAILABLE_TRANSPORTS)


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
        for node in ast.walk(ast.parse(path.read_text()))
        if _compares_a_transport(node)
    ]
    assert asked == []
