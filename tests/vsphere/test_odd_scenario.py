"""vmrep reads what the lab's scenario `odd` holds: every VM is listed, with what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.inventory import read_vms
from contexts.vsphere.notices import notices
from contexts.vsphere.preflight import refusals
from contexts.vsphere.records import VmRecord
from contexts.vsphere.session import Session
from contexts.vsphere.tls import presented_certificate
from vmrep.lab import Lab, LabControl

PASSWORD = "only-for-tests"


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LabControl, Session]]:
    folder: Path = tmp_path_factory.mktemp("lab") / "odd"
    with Lab(folder, "odd", password=PASSWORD) as lab:
        control = LabControl(lab.control_url)
        control.other_backups(0)
        trust = Trust("pin", presented_certificate(lab.host, lab.port).fingerprint_sha256)
        with Session(Endpoint(lab.host, lab.port, lab.username, PASSWORD, trust)) as session:
            yield control, session


@pytest.fixture(scope="module")
def records(estate: tuple[LabControl, Session]) -> list[VmRecord]:
    return [vm for page in read_vms(estate[1]) for vm in page.records]


def test_every_vm_is_listed_once(
    estate: tuple[LabControl, Session], records: list[VmRecord]
) -> None:
    there = {vm["moref"]: len(vm["disks"]) for vm in estate[0].list_vms()}
    found = {record.moref: record for record in records if record.name != record.moref}
    assert found.keys() == there.keys()
    unread = {record.moref for record in records if record.disks == ()}
    assert {m: len(r.disks) for m, r in found.items() if m not in unread} == {
        moref: disks for moref, disks in there.items() if moref not in unread
    }
    problems = {record.name: record.problem for record in found.values() if record.problem}
    assert {name.rpartition("/")[2] for name in problems} == {
        "no identity",
        "gone.vmx",
        "being created",
    }


def test_places_are_told_in_vspheres_names(records: list[VmRecord]) -> None:
    paths = {str(record.specs["vm_path"]).partition("50%25/vm/")[2] for record in records}
    odd = " leading blank/[a] b/Größe 100%25/日本語/x%2fy%5cz/[brackets] and  blanks %252f"
    assert {odd, "Applications/Three tiers/in a vApp"} <= paths


def test_what_cannot_be_replicated_is_refused(records: list[VmRecord]) -> None:
    codes = {
        record.name: {refusal.code for refusal in refusals(record, transport="nfc")}
        for record in records
    }
    for name in ("raw mappings", "multi-writer", "cluster node 1", "encrypted", "being created"):
        assert codes[name], name
    for name in ("seventeen disks", "all controllers", "suspended", "in a vApp"):
        assert not codes[name], name


def test_vms_that_are_more_than_ordinary_ones_say_so(records: list[VmRecord]) -> None:
    codes = {record.name: [notice.code for notice in notices(record)] for record in records}
    assert {name: found for name, found in codes.items() if found} == {
        "vCLS-4c4c4544-0033-3010-8056": ["vcls"],
        "backup-proxy-01": ["managed_by"],
        "raw mappings": ["rdm"],
        "windows 11 with vTPM": ["vtpm"],
        "encrypted": ["encrypted"],
    }


def test_what_the_server_said_oddly_is_reported_and_only_that_is_missing(
    records: list[VmRecord],
) -> None:
    said = {record.name: " ".join(record.oddities) for record in records}
    assert "config.annotation" in said["a bell in its notes"]
    assert "hibernating" in said["a state of tomorrow"]
    assert "VirtualQuantumDisk" in said["devices of tomorrow"]
    assert "NoPermission" in said["no right to its configuration"]
    assert "QuantumDecoherence" in said["a fault of tomorrow"]
    (gone,) = (record for record in records if record.name == record.moref)
    assert "ManagedObjectNotFound" in " ".join(gone.oddities)
    assert not said["suspended"]
