"""What the documentation points at is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A file or folder of ours in backquotes, as `replication/engine/` or `script/test`.
NAMED = re.compile(
    r"`((?:\.ci|contexts|docs|replication|script|static|templates|tests|vmrep)/[\w./-]*)`"
)

# A module without its folder, as `commit.py`.
MODULE = re.compile(r"`(\w+\.py)`")


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def is_ignored(name: str) -> bool:
    """Made by a program and kept out of the repository."""
    return not subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    for link in LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
    for name in NAMED.findall(text):
        assert (ROOT / name).exists() or is_ignored(name), name
    for name in MODULE.findall(text):
        assert any(ROOT.glob(f"[crtv]*/**/{name}")), name


def test_every_room_is_in_the_architecture() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [
        folder.parent.relative_to(ROOT)
        for app in ("contexts", "replication", "vmrep")
        for folder in (ROOT / app).glob("*/**/__init__.py")
    ]
    # What every app or face has, and the page says of them all.
    usual = {"migrations", "models", "services", "selectors", "management", "commands"}
    usual |= {"views", "serializers", "templatetags"}
    missing = [
        room for room in rooms if room.name not in usual and f"`{room}/`" not in architecture
    ]
    assert missing == []
