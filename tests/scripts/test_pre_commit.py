"""The hooks that run before a commit are checks of script/test, with tools that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text()


def test_each_hook_is_a_check_of_script_test() -> None:
    names = re.findall(r"^ +name: (.+)$", HOOKS, re.MULTILINE)
    checks = re.findall(r'^ *check "([^"]+)"', (ROOT / "script" / "test").read_text(), re.MULTILINE)
    assert names
    assert set(names) <= set(checks)


def test_no_hook_is_fetched_from_elsewhere() -> None:
    assert set(re.findall(r"^ *- repo: (.+)$", HOOKS, re.MULTILINE)) == {"local"}
    assert set(re.findall(r"^ +language: (.+)$", HOOKS, re.MULTILINE)) == {"system"}
