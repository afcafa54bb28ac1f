"""What the property collector can be told to say: the bytes that go out to any client."""

from __future__ import annotations

import http.client
import ssl

import pytest
from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

from tests.lab.client import Client, filter_spec
from vmrep.lab import ControlError, LabControl

NOTES = '<val xsi:type="xsd:string">%s</val>'


def answer(client: Client, *names: str, path: str = "config.annotation") -> tuple[int, bytes]:
    """The whole answer to RetrievePropertiesEx for VMs."""
    spec = filter_spec([client.vm(name) for name in names], vim.VirtualMachine, ["name", path])
    collector = client.content.propertyCollector
    info = type(collector)._GetMethodInfo("RetrievePropertiesEx")
    stub = client.si._stub
    assert isinstance(stub, SoapStubAdapter)
    options = vmodl.query.PropertyCollector.RetrieveOptions()
    request = stub.SerializeRequest(collector, info, ([spec], options))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    line = http.client.HTTPSConnection(client.lab.host, client.lab.port, context=context)
    line.request("POST", "/sdk", request, {"Cookie": stub.cookie, "Content-Type": "text/xml"})
    got = line.getresponse()
    body = got.read()
    line.close()
    return got.status, body


def test_a_value_goes_out_as_it_was_given(client: Client, lab_control: LabControl) -> None:
    lab_control.odd_property("small1", "config.annotation", NOTES % "a\x01b\udcff")
    status, body = answer(client, "small1", "small2")
    assert status == 200
    assert b">a\x01b\xff</val>" in body
    assert body.count(b"<objects>") == 2
    lab_control.clear_odd_properties()
    assert b"One disk with a Linux file system" in answer(client, "small1")[1]


def test_a_property_is_refused_by_a_fault_of_any_class(
    client: Client, lab_control: LabControl
) -> None:
    lab_control.refuse_property("small1", "config.annotation", "QuantumFault", "not today")
    _, body = answer(client, "small1")
    assert b"<path>config.annotation</path>" in body
    assert b'xsi:type="QuantumFault"' in body
    assert b"One disk" not in body
    with pytest.raises(ControlError, match="no property"):
        lab_control.refuse_property("small1", "config.nothing")


@pytest.mark.parametrize("whole_call", [True, False])
def test_a_vm_vanishes_while_it_is_read(
    client: Client, lab_control: LabControl, whole_call: bool
) -> None:
    vm = client.vm("small2")
    lab_control.vanish_when_read("small2", whole_call=whole_call)
    status, body = answer(client, "small1", "small2")
    assert status == (500 if whole_call else 200)
    assert b"ManagedObjectNotFound" in body
    assert vm._moId not in [each._moId for each in client.vms()]


def test_hiding_a_property_hides_what_is_below(client: Client, lab_control: LabControl) -> None:
    lab_control.hide("small1", ["config"])
    _, body = answer(client, "small1", path="config.hardware.device")
    assert b"<name>name</name>" in body
    assert b"config.hardware" not in body
