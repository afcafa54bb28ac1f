"""What the lab counts, and a datastore that has no room for more snapshots."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.lab.client import DS
from vmrep.lab import ControlError, LabControl


def test_snapshots_at_once_are_counted_by_datastore(lab_control: LabControl):
    for vm in ("small1", "small1", "small2"):
        lab_control.take_snapshot(vm, "by hand")
    seen = {"datastore1": {"now": 3, "most": 3}, "datastore2": {"now": 1, "most": 1}}
    assert lab_control.snapshots_at_once() == seen
    for vm in lab_control.list_vms():
        lab_control.destroy(vm["name"])
    lab_control.reset_meters()
    assert lab_control.snapshots_at_once() == {}


def test_a_datastore_without_room_for_more_refuses_them_as_a_full_one(lab_control: LabControl):
    lab_control.limit_snapshots(DS, 1)
    lab_control.take_snapshot("small1", "first")
    for vm in ("small1", "small2"):
        with pytest.raises(ControlError, match="Insufficient disk space on datastore"):
            lab_control.take_snapshot(vm, "second")
    lab_control.limit_snapshots(DS)
    lab_control.take_snapshot("small2", "second")
    assert lab_control.snapshots_at_once()[DS] == {"now": 2, "most": 2}


def test_when_snapshots_were_taken_is_known_when_they_are_gone(lab_control: LabControl):
    refs = [lab_control.take_snapshot(vm, "by hand") for vm in ("small1", "small2")]
    lab_control.destroy("small1")
    seen = lab_control.when_taken()
    assert [(each["vm"], each["snapshot"], each["name"]) for each in seen] == [
        ("small1", refs[0], "by hand"),
        ("small2", refs[1], "by hand"),
    ]
    first, second = (datetime.fromisoformat(each["at"]) for each in seen)
    assert first <= second
    lab_control.reset_meters()
    assert lab_control.when_taken() == []
