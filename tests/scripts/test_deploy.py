"""What deploy/ starts is what an installation needs, with settings that vmrep knows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from vmrep import environment

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("vmrep*"))
QUEUES = {settings.CELERY_TASK_DEFAULT_QUEUE} | {
    route["queue"] for route in settings.CELERY_TASK_ROUTES.values()
}


def units() -> str:
    return "\n".join(unit.read_text() for unit in UNITS if unit.is_file())


def compose() -> str:
    return (DEPLOY / "compose.yaml").read_text().replace(",", "")


@pytest.mark.parametrize("text", [units, compose])
def test_each_queue_has_a_worker_and_there_is_one_beat(text) -> None:
    assert set(re.findall(r"--queues (\w+)", text())) == QUEUES
    assert len(re.findall(r"vmrep --quiet beat", text())) == 1


def test_the_settings_are_known() -> None:
    named = set(re.findall(r"\b(?:VMREP|DATABASE)_[A-Z_]+", compose()))
    named |= set(re.findall(r"^([A-Z_]+)=", (ROOT / "script/install").read_text(), re.MULTILINE))
    known = {variable.name + end for variable in environment.VARIABLES for end in ("", "_FILE")}
    assert named - known <= {"VMREP_HOST"}  # compose's own


def test_the_installer_installs_every_unit() -> None:
    installer = (ROOT / "script/install").read_text()
    for unit in UNITS:
        assert unit.name in installer


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        if unit.is_file():
            # The programs are not on this machine.
            text = re.sub(
                r"/opt/vmrep/current/\S+|/usr/bin/redis-server", "/bin/true", unit.read_text()
            )
            (tmp_path / unit.name).write_text(text)
    names = [path.name.replace("@.", "@1.") for path in tmp_path.iterdir()]
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *names],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stderr, result.returncode) == ("", 0)


def test_secrets_for_containers_are_made_once_and_are_private(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    made = [_make_secrets(tmp_path / "deploy", name) for name in ("one.test", "two.test")]
    assert made[0] == made[1]
    secrets = made[0]
    assert secrets.keys() >= {"secret_key", "field_keys", "redis_url", "database_url"}
    password = secrets["postgres_password"].strip()
    assert f":{password}@" in secrets["database_url"]
    assert secrets["redis_conf"].split()[-1] in secrets["redis_url"]
    environment.read({"VMREP_SECRET_KEY": secrets["secret_key"].strip()})
    nginx = (tmp_path / "deploy/secrets/nginx.conf").read_text()
    assert "server_name two.test;" in nginx
    assert "@" not in nginx


def _make_secrets(deploy: Path, name: str) -> dict[str, str]:
    subprocess.run([deploy / "make-secrets", name], check=True, capture_output=True)
    files = [path for path in (deploy / "secrets").iterdir() if path.suffix == ""]
    made = [path for path in files if path.is_file()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in made)
    return {path.name: path.read_text() for path in made}


def test_no_key_of_compose_is_given_twice():
    """YAML forbids it, and whichever counts then, one of the two is not what was meant."""

    def keys_of(node: yaml.Node) -> Iterator[list[str]]:
        if isinstance(node, yaml.MappingNode):
            yield [str(key.value) for key, _ in node.value]
            for _, value in node.value:
                yield from keys_of(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                yield from keys_of(value)

    for keys in keys_of(yaml.compose((DEPLOY / "compose.yaml").read_text())):
        assert len(keys) == len(set(keys)), keys
