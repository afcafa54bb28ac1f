"""vmrep's version stands in one place."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from vmrep import __version__

ROOT = Path(__file__).resolve().parents[2]

# What speaks of other releases, or of other programs' versions.
OTHERS = ("CHANGELOG.md", "requirements.txt", "requirements-dev.txt", "static/vendor/")


def texts() -> dict[str, str]:
    """Every text of the project that is the project's own, by its path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {}
    for name in listed.stdout.split("\0")[:-1]:
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in content and not name.startswith(OTHERS):
            found[name] = content.decode()
    return found


def test_no_other_file_says_which_version_this_is() -> None:
    """As a value, or in so many words; a text may speak of a release (“before 1.2.3”)."""
    version = re.escape(__version__)
    said = re.compile(rf"""["']v?{version}["']|version\W{{1,5}}{version}(?!\.?\d)""", re.IGNORECASE)
    assert [name for name, text in texts().items() if said.search(text)] == ["vmrep/__init__.py"]


def test_a_package_would_bear_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "vmrep.__version__"}
