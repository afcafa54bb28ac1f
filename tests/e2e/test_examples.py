"""The examples of docs/examples.md, one after another, with all of vmrep's processes and a lab."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.examples import Bench, examples
from tests.e2e.installation import PASSWORD, USER, Installation
from tests.labs import LabCache
from vmrep.client import Client
from vmrep.local.ports import LOCALHOST

pytestmark = pytest.mark.slow
LAB_PASSWORD = "a password of the lab"


@pytest.fixture
def bench(lab_cache: LabCache) -> Iterator[Bench]:
    """As an admin, at an empty vmrep; the lab is a vCenter that nobody has added."""
    with (
        tempfile.TemporaryDirectory(prefix="vmrep-examples-") as made,
        lab_cache.running("small", Path(made) / "lab", password=LAB_PASSWORD) as lab,
    ):
        folder = Path(made)
        folder.chmod(0o755)
        with Installation(folder / "vmrep") as vmrep:
            url = f"http://{LOCALHOST}:{vmrep.port}"
            with Client(url) as client:
                token = client.post_token(
                    {"username": USER, "password": PASSWORD, "scope": "danger"}
                )["token"]
            (folder / "vcenter-password").write_text(LAB_PASSWORD)
            (folder / "here").mkdir()
            yield Bench(
                folder / "here",
                url,
                token,
                VM="small1",
                REPOSITORY=str(folder / "replicas"),
                VCENTER_HOST=lab.host,
                VCENTER_PORT=str(lab.port),
                VCENTER_USER="administrator@vsphere.local",
                VCENTER_PASSWORD_FILE=str(folder / "vcenter-password"),
            )


def test_every_example_from_an_empty_vmrep_to_recovery_points(bench: Bench) -> None:
    (first, plain) = examples("With Python")
    with pytest.raises(AssertionError, match="presents the certificate") as nobody_compared:
        bench.run(*first)
    (presented,) = re.findall(r"certificate ([0-9A-F:]{95})", str(nobody_compared.value))
    bench.environment["VCENTER_FINGERPRINT"] = presented
    printed = bench.run(*first)
    assert "job: completed" in printed
    assert "recovery point" in printed

    for example in examples("With curl"):
        bench.run(*example)
    (commands,) = examples("With the command")
    printed = bench.run(*commands)
    assert "completed" in printed
    (playbook,) = examples("With Ansible")
    assert "failed=0" in bench.run(*playbook, "-e", "vm=small1")
    bench.run(*plain)
    with Client(bench.environment["VMREP_URL"], _token(bench)) as client:
        vm = client.get_vm_context_lookup(vm_name="small1")
        job = vm["current_job"] or vm["job_history"][0]
        assert client.wait_for_job(job["id"])["status"] == "completed"
        (policy,) = (each for each in client.all_policies() if each.get("name") == "Gold")
        assert [scope["context_id"] for scope in policy["scopes"]] == [vm["context"]["context_id"]]
        points = client.get_vm_context_lookup(vm_name="small1")["recovery_points"]
        assert len(points) == 5


def _token(bench: Bench) -> str:
    return (bench.folder / "token").read_text().strip()
