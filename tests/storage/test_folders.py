"""What becomes of a repository's folder when it is one no more."""

from __future__ import annotations

from pathlib import Path

from replication.storage import folders

UUID = "6f2c1f1e-5d5e-4b57-9a55-3c1f0a1d2b11"


def test_only_empty_folders_of_vmreps_own_go_with_the_marker(tmp_path: Path) -> None:
    """A file system's own folder, and what a filer shows of its snapshots, stay as they are."""
    root = tmp_path / "here"
    folders.mark(root, UUID)
    for name in ("a/b", "lost+found/c", ".snapshot/daily/a", "with/.snapshot/daily"):
        (root / name).mkdir(parents=True)
    folders.unmark(root, UUID)
    left = {str(path.relative_to(root)) for path in root.rglob("*")}
    assert left == {
        *("lost+found", "lost+found/c", ".snapshot", ".snapshot/daily", ".snapshot/daily/a"),
        *("with", "with/.snapshot", "with/.snapshot/daily"),
    }
