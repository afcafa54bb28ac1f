"""What a snapshot tree tells of reverts: never of one that was not, whatever else happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contexts.vsphere.lineage import MOST_SNAPSHOTS, Lineage, as_of, traces_of_a_revert
from contexts.vsphere.records import SnapshotRecord

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
OWN = "own"


class Tree:
    """A VM's snapshots, as vSphere keeps them."""

    def __init__(self) -> None:
        self.nodes: dict[str, SnapshotRecord] = {}
        self.current: str | None = None
        self.made = 0

    def create(self, moref: str | None = None) -> str:
        self.made += 1
        moref = moref or f"snapshot-{self.made}"
        at = EPOCH + timedelta(seconds=self.made)
        self.nodes[moref] = SnapshotRecord(moref, moref, None, at, self.current)
        self.current = moref
        return moref

    def remove(self, moref: str) -> None:
        gone = self.nodes.pop(moref)
        for one in list(self.nodes.values()):
            if one.parent_moref == moref:
                self.nodes[one.moref] = SnapshotRecord(
                    one.moref, one.name, None, one.created_at, gone.parent_moref
                )
        if self.current == moref:
            self.current = gone.parent_moref

    def lineage(self) -> Lineage:
        """With a snapshot of vmrep's, which is removed again."""
        own = self.create(OWN)
        found = as_of(
            own, self.nodes.values(), vm_moref="vm-1", current=self.current, booted_at=None
        )
        self.remove(own)
        return found


OPERATIONS = st.lists(st.tuples(st.sampled_from(["create", "remove", "revert"]), st.integers(0)))


def _play(tree: Tree, operations: list[tuple[str, int]], *, reverts: bool) -> bool:
    """Returns whether the VM was reverted."""
    reverted = False
    for what, number in operations:
        if what == "create":
            tree.create()
        elif tree.nodes and (what == "remove" or reverts):
            chosen = sorted(tree.nodes)[number % len(tree.nodes)]
            if what == "remove":
                tree.remove(chosen)
            else:
                tree.current, reverted = chosen, True
    return reverted


@given(OPERATIONS, OPERATIONS)
def test_without_a_revert_there_is_no_trace_of_one(before, since) -> None:
    tree = Tree()
    _play(tree, before, reverts=True)
    then = tree.lineage()
    _play(tree, since, reverts=False)
    assert traces_of_a_revert(then, tree.lineage()) == ""


@given(OPERATIONS, st.integers(0), OPERATIONS)
def test_a_revert_to_another_snapshot_that_was_there_leaves_a_trace_while_both_stay(
    before, number, since
) -> None:
    tree = Tree()
    _play(tree, before, reverts=True)
    then = tree.lineage()
    others = sorted(set(tree.nodes) - {tree.current})
    if not others:
        return
    tree.current = others[number % len(others)]
    creates = [(what, n) for what, n in since if what == "create"]
    _play(tree, creates, reverts=False)
    assert traces_of_a_revert(then, tree.lineage())


def test_a_snapshot_under_a_known_reference_and_of_another_time_is_another_one() -> None:
    one = SnapshotRecord("snapshot-1", "a", None, EPOCH, None)
    other = SnapshotRecord("snapshot-1", "a", None, EPOCH + timedelta(days=1), None)
    then = Lineage("vm-1", snapshots=(one,), current="snapshot-1")
    assert not traces_of_a_revert(then, then)
    # The one that the VM was on is gone, and it is on one that was made since: no revert.
    assert not traces_of_a_revert(then, Lineage("vm-1", snapshots=(other,), current="snapshot-1"))


def test_what_is_not_known_is_not_taken_for_nothing() -> None:
    tree = Tree()
    for _ in range(MOST_SNAPSHOTS + 1):
        tree.create()
    assert tree.lineage().snapshots is None
    # The VM has left the branch of vmrep's snapshot while that was still there.
    tree = Tree()
    first = tree.create()
    tree.create(OWN)
    tree.current = first
    found = as_of(OWN, tree.nodes.values(), vm_moref="vm-1", current=first, booted_at=None)
    assert found.snapshots is None
    assert as_of(OWN, (), vm_moref="vm-1", current=None, booted_at=None).snapshots is None
