"""A repository is taken up again without its database, or with an older one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command

from contexts.models import VCenter, VMContext
from contexts.services import vcenters
from replication.manifests import writing
from replication.models import (
    RecoveryPoint,
    RecoveryPointHold,
    Repository,
)
from replication.policies import default
from replication.retention import services
from replication.states import RecoveryPointState
from tests.kept_rows import KeptRows
from tests.retention.chain import Chain
from tests.sync.estate import PASSWORD


def lose_the_database(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path / "nothing.sqlite3")
    kept._kept = []
    kept.bring_back()
    default.make_after_migrations(using="default")
    assert not VMContext.objects.exists()


def restore(chain: Chain, *options: str, exit_code: int = 0) -> str:
    said = io.StringIO()
    folder = str(chain.estate.repository_folder)
    outcome = 0
    try:
        call_command("restore_repository", folder, *options, stdout=said, stderr=io.StringIO())
    except SystemExit as ended:
        outcome = int(str(ended.code))
    assert outcome == exit_code, said.getvalue()
    return said.getvalue()


def complete_vcenter(chain: Chain) -> None:
    vcenters.update(VCenter.objects.get(), password=PASSWORD)
    chain.estate.vcenter = VCenter.objects.get()
    chain.estate.repository = Repository.objects.get()
    chain.estate.discover()


def require_points(chain: Chain, contents: list[str]) -> list[RecoveryPoint]:
    """Exactly the points of those jobs, in that order, each equal to its snapshot."""
    points = list(RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE).order_by("pk"))
    assert [point.job_id for point in points] == contents
    for point in points:
        chain.require_equal_point(point)
    return points


def jobs_of_points() -> list[str]:
    points = RecoveryPoint.objects.filter(state=RecoveryPointState.AVAILABLE)
    return list(points.order_by("pk").values_list("job", flat=True))


@pytest.fixture
def told(chain: Chain) -> Chain:
    """Whose repository has been told of all."""
    chain.remove(2)
    services.pin(chain.point(3), comment="before the update", actor="ops")
    services.comment(chain.point(5), "odd, but good", actor="ops")
    assert writing.due().exists()
    writing.write_due()
    assert not writing.due().exists()
    return chain


@pytest.mark.any_database
def test_all_comes_back_from_the_folder_alone(told: Chain, tmp_path: Path) -> None:
    before = jobs_of_points()
    former = VMContext.objects.get()
    disks = list(former.disks.order_by("pk").values_list("disk_id", "disk_uuid"))
    lose_the_database(tmp_path)

    said = restore(told, "--dry-run")
    assert "6 recovery points" in said
    assert not VMContext.objects.exists()
    assert not Repository.objects.exists()
    said = restore(told)
    assert "To be completed on its page, with its password: lab" in said

    context = told.context = VMContext.objects.get()
    assert (context.pk, context.vmware_vm_id) == (former.pk, former.vmware_vm_id)
    assert context.spec_values() == former.spec_values()
    assert list(context.disks.order_by("pk").values_list("disk_id", "disk_uuid")) == disks
    assert context.repository.name == "here"
    points = require_points(told, before)
    pin = RecoveryPointHold.objects.get()
    assert (pin.recovery_point, pin.comment, pin.owner) == (points[1], "before the update", "ops")
    assert points[3].comment == "odd, but good"
    assert told.findings() == set()

    # Nobody logs in before somebody completed it; then all goes on as if nothing had been.
    assert VCenter.objects.get().login_refused_at is not None
    complete_vcenter(told)
    told.replicate()
    writing.write_due()
    assert told.findings() == set()
    assert "1 known already" in restore(told)
