"""The client as docs/client.md says to install it: in an environment of its own, without more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.client import test_generated
from vmrep import __version__

PROJECT = Path(test_generated.__file__).parents[2]


@pytest.mark.slow
def test_it_comes_alone_and_works(tmp_path: Path) -> None:
    source, made = tmp_path / "source", tmp_path / "made"
    subprocess.run(["git", "clone", "-q", str(PROJECT), str(source)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    subprocess.run([made / "bin" / "pip", "install", "-q", "."], cwd=source, check=True)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [made / "bin" / command[0], *command[1:]],
            cwd=tmp_path,
            env={"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    assert run("vmrep", "--version").stdout.split()[-1] == __version__
    assert "replicate" in run("vmrep", "--help").stdout
    away = run("vmrep", "vms")
    assert away.returncode != 0
    assert "Traceback" not in away.stderr
    installed = next(made.glob("lib/python*/site-packages"))
    assert {path.name for path in (installed / "vmrep").iterdir()} >= {"__init__.py", "client"}
    assert not (installed / "vmrep" / "settings.py").exists()
    for server in ("django", "celery", "contexts", "replication"):
        assert not (installed / server).exists()
    assert run("python", "-c", "import vmrep.client").returncode == 0
