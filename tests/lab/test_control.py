"""The control surface: faults on demand, and its own errors."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim, vmodl

from tests.lab.client import Client
from vmrep.lab import ControlError, Lab, LabControl

FLAT = "small1/small1-flat.vmdk"


def outcomes(client: Client, calls: int) -> list[str]:
    """How some CurrentTime calls in a row end."""
    found = []
    for _ in range(calls):
        try:
            client.si.CurrentTime()
            found.append("ok")
        except vmodl.MethodFault as fault:
            found.append(type(fault).__name__.rpartition(".")[2])
    return found


def test_the_nth_call_fails_counted_from_the_request(
    client: Client, lab_control: LabControl
) -> None:
    client.si.CurrentTime()
    lab_control.fail("CurrentTime", nth=2, fault="TaskInProgress", times=2, message="not now")
    assert outcomes(client, 5) == ["ok", "TaskInProgress", "TaskInProgress", "ok", "ok"]


def test_rules_count_side_by_side_and_can_be_cleared(
    client: Client, lab_control: LabControl
) -> None:
    lab_control.fail("CurrentTime", nth=1, fault="SystemError")
    lab_control.fail("CurrentTime", nth=3, fault="NotFound")
    assert outcomes(client, 4) == ["SystemError", "ok", "NotFound", "ok"]
    lab_control.fail("CurrentTime", nth=1)
    lab_control.clear_faults()
    assert outcomes(client, 1) == ["ok"]


def test_a_dropped_answer_was_acted_upon(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    lab_control.drop_connection("CreateSnapshot_Task")
    # pyVmomi parses what came: half an answer is XML that ends too early
    with pytest.raises((http.client.HTTPException, OSError, ExpatError)):
        vm.CreateSnapshot_Task("lost", "", False, False)
    for _ in range(100):
        if vm.snapshot:
            break
        time.sleep(0.05)
    assert vm.snapshot.rootSnapshotList[0].name == "lost"


def test_files_fail_and_drop_too(client: Client, lab_control: LabControl) -> None:
    lab_control.set_datastore("datastore1", kind="nfs")
    lab_control.fail("GET /folder", nth=2, fault="503")
    lab_control.drop_connection("GET /folder", nth=2)
    sent = {"Range": "bytes=0-99999"}
    assert len(client.get(FLAT, headers=sent)[1]) == 100_000
    assert client.get(FLAT, headers=sent)[0].status == 503
    with pytest.raises((http.client.IncompleteRead, ConnectionError, OSError)):
        client.get(FLAT, headers=sent)
    assert len(client.get(FLAT, headers=sent)[1]) == 100_000


def test_calls_can_be_delayed(client: Client, lab_control: LabControl) -> None:
    lab_control.delay("CurrentTime", 0.4)
    started = time.monotonic()
    client.si.CurrentTime()
    assert time.monotonic() - started >= 0.4


def test_clearing_lets_go_of_what_is_being_delayed(client: Client, lab_control: LabControl) -> None:
    lab_control.delay("CurrentTime", 300, after=1)
    client.si.CurrentTime()
    with ThreadPoolExecutor(1) as pool:
        delayed = pool.submit(client.si.CurrentTime)
        time.sleep(0.3)
        assert not delayed.done()
        lab_control.clear_faults()
        assert delayed.result(timeout=30)


def test_vms_are_found_by_name_reference_and_uuid(client: Client, lab_control: LabControl) -> None:
    vm = client.vm("small1")
    lab_control.write("small1", 2000, 5, b"hello")
    for name in ("small1", vm._moId, vm.config.instanceUuid):
        assert lab_control.read(name, 2000, 5, 5) == b"hello"
    lab_control.rename("small2", "small1")
    with pytest.raises(ControlError, match="2 VMs are called 'small1'"):
        lab_control.read("small1", 2000, 5, 5)


def test_kept_contents_can_be_removed(client: Client, lab_control: LabControl) -> None:
    lab_control.keep_snapshots()
    one, two = (client.snapshot(client.vm("small1"), n) for n in "ab")
    for snapshot in (one, two):
        client.remove(snapshot)
    kept = lab_control.kept_content(one._moId, 2000)
    assert lab_control.forget_kept(one._moId) == 1
    assert not kept.exists()
    assert lab_control.kept_content(two._moId, 2000).exists()
    assert lab_control.forget_kept() == 1
    with pytest.raises(ControlError, match="was not kept"):
        lab_control.kept_content(two._moId, 2000)


def test_fill_follows_from_its_seed(lab_control: LabControl) -> None:
    lab_control.fill("small1", 2000, 1000, 3_000_000, seed=1)
    once = lab_control.read("small1", 2000, 1000, 3_000_000)
    lab_control.fill("small2", 2000, 77, 3_000_000, seed=1)
    assert lab_control.read("small2", 2000, 77, 3_000_000) == once
    lab_control.fill("small2", 2000, 77, 3_000_000, seed=2)
    assert lab_control.read("small2", 2000, 77, 3_000_000) != once


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("nonsense", {}, "there is no 'nonsense'"),
        ("_vm", {"name": "small1"}, "there is no '_vm'"),
        ("read", {"vm": "small1"}, "missing: device_key, length, offset"),
        ("expire_sessions", {"x": 1}, "unknown: x"),
        ("delay", {"method": "Login", "seconds": "1"}, "seconds must be float"),
        ("delay", {"method": "Login", "seconds": -1}, "must not be negative"),
        ("keep_snapshots", {"on": 1}, "on must be bool"),
        ("fail", {"method": "Login", "fault": "Nonsense"}, "not the name of a vSphere fault"),
        ("fail", {"method": "GET /folder", "fault": "SystemError"}, "HTTP status"),
        ("fail", {"method": "Login", "nth": 0}, "count from 1"),
        ("read", {"vm": "x", "device_key": 1, "offset": 0, "length": 1}, "there is no VM 'x'"),
        (
            "read",
            {"vm": "small1", "device_key": 1, "offset": 0, "length": 1},
            "has no disk 1; it has: 2000",
        ),
        (
            "fill",
            {"vm": "small1", "device_key": 2000, "offset": 64 << 20, "length": 1, "seed": "1"},
            "not inside the disk",
        ),
        (
            "write",
            {"vm": "small1", "device_key": 2000, "offset": 0, "data": "#"},
            "not base64",
        ),
        ("kept_content", {"snapshot": "../x", "device_key": 1}, "not a snapshot's reference"),
        ("kept_content", {"snapshot": "snapshot-9", "device_key": 2000}, "was not kept"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    lab_control: LabControl, verb: str, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(ControlError) as caught:
        lab_control.call(verb, **arguments)
    assert words in str(caught.value)


def test_web_pages_may_not_use_it_and_it_describes_itself(lab: Lab) -> None:
    connection = http.client.HTTPConnection(urlsplit(lab.control_url).netloc)
    connection.request("POST", "/list_vms", b"{}", {"Origin": "http://evil.example"})
    answer = connection.getresponse()
    assert (answer.status, b"web pages" in answer.read()) == (403, True)
    connection.request("GET", "/")
    described = json.loads(connection.getresponse().read())
    assert "expire_sessions" in described
    connection.close()


def test_guest_addresses_can_change(client: Client, lab_control: LabControl) -> None:
    lab_control.set_addresses("small1", ["10.9.9.9"])
    assert client.vm("small1").guest.ipAddress == "10.9.9.9"
    assert isinstance(client.vm("small1").guest, vim.vm.GuestInfo)
