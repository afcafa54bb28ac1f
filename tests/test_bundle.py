"""A debug bundle: what is in it, what is not, and how large it can get."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from replication.models import JobLogLine, ReplicationJob
from replication.services import job_log
from tests import factories
from vmrep import bundle
from vmrep.trail.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture(autouse=True)
def nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replication.messages.send", lambda *message: None)
    monkeypatch.setattr("replication.health.broker.problem", lambda **_: "")


@pytest.fixture
def job() -> ReplicationJob:
    vm = factories.context(factories.HOSTILE_NAME)
    factories.everything_lives()
    factories.completed_job(vm)
    return factories.failed_job(vm, "The vCenter did not answer.")


def parts_of(content: bytes) -> dict[str, Any]:
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    assert all(name == Path(name).name for name in archive.namelist())
    told = {name.removesuffix(".json"): archive.read(name) for name in archive.namelist()}
    return {name: json.loads(text) for name, text in told.items() if name[-4:] != ".txt"}


def test_an_operator_gets_all_that_is_known_of_the_job_and_the_trail_tells(job, monkeypatch):
    monkeypatch.setenv("VMREP_SECRET_KEY", "canary-" * 10)
    monkeypatch.setenv("VMREP_REDIS_URL", "redis://:canary@127.0.0.1/0")
    monkeypatch.setenv("VMREP_DISKS_PER_HOST", "4")
    client = Client()
    client.force_login(factories.user("otto", role="operator"))
    assert b"debug-bundle" in client.get(f"/jobs/{job.pk}/").content
    answer = client.post(f"/jobs/{job.pk}/debug-bundle/")
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == f'attachment; filename="vmrep-{job.pk}.zip"'
    found = parts_of(answer.content)
    assert found["job"]["error_message"] == "The vCenter did not answer."
    assert found["vm"]["vm_name"] == factories.HOSTILE_NAME
    assert any("did not answer" in line["message"] for line in found["log"])
    assert len(found["images"]) == len(found["chain_headers"].get("chain", found["images"]))
    assert found["versions"]["pyvmomi"]
    assert found["health"]["processes"]
    assert found["settings"]["VMREP_DISKS_PER_HOST"] == "4"
    assert found["settings"]["VMREP_SECRET_KEY"] == "(set)"
    assert not {name for name in found["vcenter"] if "password" in name}
    everything = json.dumps(found)
    assert "canary" not in everything
    assert job.vm_context.vcenter.password_encrypted not in everything
    told = Event.objects.get(verb="export")
    assert (told.actor, told.job_id, told.object_id) == ("otto", job.pk, job.pk)


def test_a_program_gets_the_same_and_a_viewer_neither_button_nor_file(job):
    header = {"Authorization": f"Token {factories.token(factories.user(role='operator'))}"}
    answer = Client().post(
        f"/api/v1/replications/{job.pk}/debug-bundle/",
        "{}",
        content_type="application/json",
        headers=header,
    )
    assert answer.status_code == 200, answer.content
    assert parts_of(answer.content)["job"]["id"] == job.pk
    client = Client()
    client.force_login(factories.user("vera", role="viewer"))
    assert b"debug-bundle" not in client.get(f"/jobs/{job.pk}/").content
    assert client.post(f"/jobs/{job.pk}/debug-bundle/").status_code == 403


def test_the_command_writes_a_file_and_never_over_one(job, tmp_path, capsys):
    call_command("debug_bundle", job.pk, folder=tmp_path)
    file = tmp_path / f"vmrep-{job.pk}.zip"
    assert str(file) in capsys.readouterr().out
    assert parts_of(file.read_bytes())["job"]["id"] == job.pk
    with pytest.raises(CommandError, match="File exists"):
        call_command("debug_bundle", job.pk, folder=tmp_path)
    with pytest.raises(CommandError, match="There is no replication job"):
        call_command("debug_bundle", "job-nothing", folder=tmp_path)


def test_it_does_not_grow_without_bounds(job, monkeypatch):
    monkeypatch.setattr(bundle, "MOST_ROWS", 20)
    monkeypatch.setattr(bundle, "MOST_BYTES", 100_000)
    for number in range(40):
        job_log.write(job.pk, 1, f"{number}")
    JobLogLine.objects.update(message="x" * 2000)
    factories.discovered_vm("other", at=job.vm_context.vcenter)
    ReplicationJob.objects.filter(pk=job.pk).update(error_message="y" * 90_000)
    client = Client()
    client.force_login(factories.user())
    content = client.post(f"/jobs/{job.pk}/debug-bundle/").content
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert "job.json" in names
    assert "log.json.left-out.txt" in names
    monkeypatch.setattr(bundle, "MOST_BYTES", 1 << 20)
    content = client.post(f"/jobs/{job.pk}/debug-bundle/").content
    assert len(parts_of(content)["log"]) == 20
