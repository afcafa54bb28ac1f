"""The benchmark of reading over NFC starts by itself, without a database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_it_reads_from_its_own_lab() -> None:
    program = [sys.executable, "-m", "vmrep.bench.reading", "--mebibytes", "16", "--rounds", "1"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["nfc"] > 0
    assert 1 <= figures["amplification"] < 1.02
