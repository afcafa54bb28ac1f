"""script/install's way from one version to the next, with a stand-in for the database: a file that
says how far it was migrated."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_INS = r"""
set -euo pipefail
home=$1/home backups=$1/backups stopping=(web) units=(web) now=0
say() { echo "$*"; }
fail() { echo "FAILED $*"; exit 1; }
quietly() { shift; "$@"; }
systemctl() { echo "systemctl $*"; }
date() { cat "$home/clock"; echo x >>"$home/clock"; }
manage() { echo "half migrated" >"$home/database"; [ "${end:-}" != fails ] || return 1
           echo migrated >"$home/database"; [ "${end:-}" != killed ] || kill -9 $$; }
dump_database() { cp "$home/database" "$1"; }
restore_database() { cp "$1" "$home/database"; }
"""


def function(name: str) -> str:
    found = re.search(
        rf"^{name}\(\) \{{.*?^\}}$", (ROOT / "script/install").read_text(), re.S | re.M
    )
    assert found, name
    return found[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for release in ("1", "2"):
        (tmp_path / "home/releases" / release).mkdir(parents=True)
        (tmp_path / "home/releases" / release / ".complete").touch()
    (tmp_path / "backups").mkdir()
    (tmp_path / "home/current").symlink_to(tmp_path / "home/releases/1")
    (tmp_path / "home/database").write_text("as it was\n")
    (tmp_path / "home/clock").write_text("")
    return tmp_path


def upgrade(folder: Path, end: str = "") -> subprocess.CompletedProcess[str]:
    names = ("current", "switch_to", "migrate_or_go_back", "point_to")
    script = STAND_INS + "\n".join(map(function, names)) + f"\nend={end}\n"
    return subprocess.run(
        ["bash", "-c", script + 'switch_to "$home/releases/2"', "bash", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def dump_for_rollback(folder: Path) -> str:
    return Path((folder / "home/releases/2/.before-database").read_text().strip()).read_text()


def test_an_interrupted_upgrade_that_is_done_again_goes_back_to_the_database_as_it_was(folder):
    assert upgrade(folder, "killed").returncode == -9
    assert (folder / "home/database").read_text() == "migrated\n"
    assert upgrade(folder).returncode == 0
    assert (folder / "home/current").resolve().name == "2"
    assert (folder / "home/releases/2/.before").read_text().strip().endswith("/1")
    assert dump_for_rollback(folder) == "as it was\n"
    assert not (folder / "home/releases/2/.under-way").exists()


def test_a_migration_that_fails_half_way_leaves_the_database_as_it_was(folder):
    done = upgrade(folder, "fails")
    assert done.returncode == 1
    assert "FAILED the database cannot be migrated (above); it is as it was before" in done.stdout
    assert (folder / "home/database").read_text() == "as it was\n"
    assert (folder / "home/current").resolve().name == "1"
    assert done.stdout.index("systemctl stop") < done.stdout.index("systemctl start")
    (folder / "home/database").write_text("a day later\n")
    assert upgrade(folder).returncode == 0
    assert dump_for_rollback(folder) == "a day later\n"
