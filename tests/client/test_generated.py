"""The client's generated part is what the schema says, and the client needs no server."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.api.conformance import schema
from vmrep.api.schema.client_code import FOLDER, made

pytestmark = pytest.mark.any_database
ROOT = Path(__file__).resolve().parents[2]

LOADED = """
import sys, vmrep.client.cli
print(*sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
print(*sorted(name for name in sys.modules if name.startswith("vmrep")))
"""


def test_what_is_checked_in_is_what_the_schema_says() -> None:
    """After a change: .venv/bin/python manage.py make_client"""
    modules = made(schema())
    assert {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*.py")} == set(modules)
    for name, code in modules.items():
        assert (FOLDER / name).read_text() == code, name


def test_it_loads_nothing_of_the_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    foreign, own = done.stdout.splitlines()
    server = {"django", "rest_framework", "celery", "contexts", "replication", "pyVmomi", "lxml"}
    assert not server.intersection(foreign.split())
    assert all(name == "vmrep" or name.startswith("vmrep.client") for name in own.split())


def test_a_package_has_the_command_and_all_of_the_client() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    module, _, function = project["project"]["scripts"]["vmrep"].partition(":")
    assert callable(getattr(import_module(module), function))
    folders = {file.parent for file in (ROOT / "vmrep" / "client").glob("**/*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert names == set(project["tool"]["setuptools"]["packages"])
    assert project["tool"]["setuptools"]["py-modules"] == ["vmrep.__init__"]
