"""What the tests use to talk to the lab: pyVmomi, and http.client for files."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pyVim.connect import SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tests.labs import PASSWORD
from vmrep.lab import Lab

PC = vmodl.query.PropertyCollector
MIB = 1 << 20
DC, DS = "Lab/DC1", "datastore1"


def connect(lab: Lab, user: str | None = None, password: str = PASSWORD) -> Any:
    """pyVmomi's ServiceInstance."""
    return SmartConnect(
        host=lab.host,
        port=lab.port,
        user=user or lab.username,
        pwd=password,
        disableSslCertValidation=True,
    )


def filter_spec(objects: list[Any], kind: Any, paths: list[str]) -> Any:
    """A filter spec for single objects."""
    return PC.FilterSpec(
        objectSet=[PC.ObjectSpec(obj=o) for o in objects],
        propSet=[PC.PropertySpec(type=kind, pathSet=paths)],
    )


class Client:
    """A logged-in pyVmomi client."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.si = connect(lab)
        self.content = self.si.RetrieveContent()

    def close(self) -> None:
        """Let the connections go (the session may be gone already)."""
        self.si._stub.DropConnections()

    def vms(self) -> list[Any]:
        """All VMs."""
        view = self.content.viewManager.CreateContainerView(
            self.content.rootFolder, [vim.VirtualMachine], True
        )
        return list(view.view)

    def vm(self, name: str) -> Any:
        """A VM by name."""
        return next(v for v in self.vms() if v.name == name)

    def view_spec(self, paths: list[str]) -> Any:
        """A filter spec for properties of all VMs, through a container view."""
        view = self.content.viewManager.CreateContainerView(
            self.content.rootFolder, [vim.VirtualMachine], True
        )
        return PC.FilterSpec(
            objectSet=[
                PC.ObjectSpec(
                    obj=view,
                    skip=True,
                    selectSet=[PC.TraversalSpec(type=type(view), path="view", skip=False)],
                )
            ],
            propSet=[PC.PropertySpec(type=vim.VirtualMachine, pathSet=paths)],
        )

    def snapshot(self, vm: Any, name: str = "s", **options: Any) -> Any:
        """Take a snapshot and wait."""
        wanted = {"description": "", "memory": False, "quiesce": False, **options}
        task = vm.CreateSnapshot_Task(name=name, **wanted)
        WaitForTask(task)
        return task.info.result

    def track(self, vm: Any, on: bool = True) -> None:
        """Switch change tracking."""
        WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=on)))

    def remove(self, snapshot: Any, children: bool = False) -> None:
        """Remove a snapshot and wait."""
        WaitForTask(snapshot.RemoveSnapshot_Task(removeChildren=children))

    def areas(self, vm: Any, snapshot: Any, key: int, change_id: str) -> list[tuple[int, int]]:
        """All changed areas, page by page, as (offset, length)."""
        capacity = disk(snapshot or vm, key).capacityInBytes
        found, at = [], 0
        while at < capacity:
            page = vm.QueryChangedDiskAreas(snapshot, key, at, change_id)
            assert page.startOffset == at
            assert page.length > 0
            for area in page.changedArea:
                assert at <= area.start < area.start + area.length <= at + page.length
                found.append((area.start, area.length))
            at += page.length
        return found

    def get(
        self,
        path: str,
        *,
        dc: str = DC,
        ds: str = DS,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        cookie: bool = True,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """A datastore file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            self.lab.host, self.lab.port, context=context, timeout=30
        )
        sent = dict(headers or {})
        if cookie:
            sent["Cookie"] = self.si._stub.cookie
        target = f"/folder/{quote(path)}?dcPath={quote(dc, safe='')}&dsName={quote(ds, safe='')}"
        try:
            connection.request(method, target, headers=sent)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


def disk(owner: Any, key: int) -> Any:
    """The disk device of a VM or snapshot."""
    return next(d for d in owner.config.hardware.device if d.key == key)


def change_id(owner: Any, key: int = 2000) -> str:
    """A disk's change ID at a snapshot."""
    found = disk(owner, key).backing.changeId
    assert found
    return str(found)


def differing(a: Path | bytes, b: Path | bytes, block: int = 512) -> list[int]:
    """Offsets of the blocks in which two contents differ."""
    one = a if isinstance(a, bytes) else a.read_bytes()
    two = b if isinstance(b, bytes) else b.read_bytes()
    assert len(one) == len(two)
    return [
        at
        for big in range(0, len(one), MIB)
        if one[big : big + MIB] != two[big : big + MIB]
        for at in range(big, min(big + MIB, len(one)), block)
        if one[at : at + block] != two[at : at + block]
    ]


def raw_call(client: Client, method: str, kind: str, moid: str, body: str = "") -> str:
    """What the lab answers a call that is written by hand, as others than pyVmomi write it."""
    envelope = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
        f'<{method} xmlns="urn:vim25"><_this type="{kind}">{moid}</_this>{body}</{method}>'
        "</Body></Envelope>"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        client.lab.host, client.lab.port, timeout=30, context=context
    )
    headers = {"Cookie": client.si._stub.cookie, "SOAPAction": '"urn:vim25/8.0.1.0"'}
    connection.request("POST", "/sdk", envelope.encode(), headers)
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer
