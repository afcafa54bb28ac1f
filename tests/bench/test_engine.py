"""The benchmark of the engine starts by itself, and says what it measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not shutil.which("nginx"), reason="script/bootstrap --bench installs nginx")
def test_everybody_is_measured(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    argv = [sys.executable, "-m", "vmrep.bench.engine", "--mebibytes", "32", "--rounds", "1"]
    done = subprocess.run([*argv, "--report", str(report)], capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr.decode()  # 1: so little misses its goals
    found = json.loads(report.read_text())
    assert set(found["figures"]) == {
        *("vmrep", "nbdcopy", "qemu-img", "https", "curl", "incremental")
    }
    assert all(figure["mib_per_second"] > 0 for figure in found["figures"].values())
    assert 0 < found["memory_mib"] < 300
