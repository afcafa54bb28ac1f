"""What script/bootstrap installs: all of it named with version and hashes, as script/lock does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {"requirements.in": "requirements.txt", "requirements-dev.in": "requirements-dev.txt"}


def lines(name: str) -> list[str]:
    """The file's lines without comments, those that go on joined."""
    joined = (ROOT / name).read_text().replace("\\\n", " ")
    bare = [re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.split("\n")]
    return [line for line in bare if line]


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by package."""
    found = {}
    for line in lines(name):
        requirement, *hashes = line.split("--hash=")
        wanted = Requirement(requirement)
        (pin,) = wanted.specifier
        assert pin.operator == "==", line
        found[canonicalize_name(wanted.name)] = pin.version, frozenset(map(str.strip, hashes))
    return found


@pytest.mark.parametrize("lock", LOCKS.values())
def test_every_package_has_one_version_and_its_hashes(lock: str) -> None:
    packages = locked(lock)
    assert len(packages) == len(lines(lock))
    for name, (_, hashes) in packages.items():
        assert hashes, name
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), name


@pytest.mark.parametrize("name", [*LOCKS, *LOCKS.values()])
def test_no_file_says_where_packages_come_from(name: str) -> None:
    """That is the machine's to say: a mirror's name in here would be asked by everybody."""
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(
        r"^\s*(-i|-f|--.*index.*|--find-links|--trusted-host)\b", text, re.MULTILINE
    )


@pytest.mark.parametrize(("wanted", "lock"), LOCKS.items())
def test_what_is_wanted_is_locked(wanted: str, lock: str) -> None:
    """A change of a .in file without script/lock."""
    packages = locked(lock)
    for line in lines(wanted):
        if line.startswith("-r "):
            continue
        requirement = Requirement(line)
        version, _ = packages[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), line


def test_the_tests_run_with_what_production_runs_with() -> None:
    assert locked("requirements.txt").items() <= locked("requirements-dev.txt").items()
