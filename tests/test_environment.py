"""The environment's variables: read as a whole, from files too, or refused at the start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmrep import environment
from vmrep.client import login
from vmrep.environment import VARIABLES, WrongEnvironment

ROOT = Path(__file__).resolve().parents[1]


def test_the_documentation_has_the_table() -> None:
    assert "\n".join(environment.table()) in (ROOT / "docs/operations.md").read_text()


def test_every_variable_that_the_code_reads_is_in_the_table_and_the_other_way_round() -> None:
    settings = (ROOT / "vmrep/settings.py").read_text()
    read = set(re.findall(r"\benv[.\w]*\(\s*\"(\w+)\"", settings))
    assert read == {variable.name for variable in VARIABLES}


def test_a_file_gives_what_it_holds_without_its_last_newline(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgres://vmrep:a b@db/vmrep\n")
    assert environment.read({"DATABASE_URL_FILE": str(file), "HOME": "/root"}) == {
        "DATABASE_URL_FILE": str(file),
        "DATABASE_URL": "postgres://vmrep:a b@db/vmrep",
        "HOME": "/root",
    }


def test_what_is_set_to_nothing_is_not_set() -> None:
    assert environment.read({"VMREP_HTTPS": "", "VMREP_SECRET_KEY_FILE": "", "LANG": ""}) == {
        "LANG": ""
    }


def test_variables_of_tests_and_of_the_client_are_none_of_its_business() -> None:
    assert environment.read({"VMREP_TEST_PROCESSES": "3", "VMREP_CHAOS_PAGE": "/x"})
    assert environment.read(dict.fromkeys(login.VARIABLES, "x")) == dict.fromkeys(
        login.VARIABLES, "x"
    )


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"VMREP_HTPS": "1"}, "VMREP_HTPS is unknown.* mean VMREP_HTTPS"),
        ({"VMREP_": "1"}, "VMREP_ is unknown"),
        ({"VMREP_HTTPS": "ja"}, "VMREP_HTTPS must be 1 or 0"),
        ({"VMREP_SECRET_KEY": "short and weak"}, "VMREP_SECRET_KEY must have 50 characters"),
        ({"VMREP_SECRET_KEY": "abcd" * 20}, "VMREP_SECRET_KEY must have 50 characters"),
        ({"VMREP_FIELD_KEYS": f"{'A' * 43}=,hunter2"}, "VMREP_FIELD_KEYS must be keys"),
        ({"VMREP_ALLOW_ADDRESSES": "unix"}, "VMREP_ALLOW_ADDRESSES must be addresses"),
        ({"VMREP_DISKS_PER_HOST": "-1"}, "VMREP_DISKS_PER_HOST must be a whole number"),
        ({"VMREP_TRUSTED_PROXIES": "unix,proxy.example.org"}, "VMREP_TRUSTED_PROXIES must be addr"),
        ({"VMREP_OIDC_ROLES": "ops=operator,all=chief"}, "VMREP_OIDC_ROLES must be groups"),
        ({"VMREP_DISKS_PER_HOST": "٣"}, "VMREP_DISKS_PER_HOST must be a whole number"),
        ({"VMREP_KEEP_JOBS_DAYS": "1" * 5000}, "VMREP_KEEP_JOBS_DAYS must be a whole number"),
        ({"VMREP_SECRET_KEY_FILE": "/nowhere/key"}, "/nowhere/key, .*: No such file"),
        ({"VMREP_SECRET_KEY_FILE": "/dev/null"}, "/dev/null, .* is empty"),
        ({"VMREP_SECRET_KEY_FILE": "/dev/zero"}, "/dev/zero, .* is longer than"),
        ({"VMREP_SECRET_KEY_FILE": "/"}, "cannot be read: Is a directory"),
        ({"VMREP_SECRET_KEY_FILE": sys.executable}, "not text|longer"),
        (
            {"DATABASE_URL": "sqlite:///x", "DATABASE_URL_FILE": "/dev/null"},
            "DATABASE_URL and DATABASE_URL_FILE are both set",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(variables: dict[str, str], says: str) -> None:
    with pytest.raises(WrongEnvironment, match=says):
        environment.read(variables)


def test_a_process_says_one_line_without_the_value(tmp_path: Path) -> None:
    variables = {**os.environ, "VMREP_DATA_DIR": str(tmp_path / "data"), "VMREP_HTTPS": "s3cret"}
    result = subprocess.run(
        [sys.executable, "-c", "import vmrep.settings"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == "vmrep cannot start: VMREP_HTTPS must be 1 or 0, and is neither.\n"
