"""A server that means harm: what it may cost in time and in memory, measured, not asserted of
ourselves. Times are compared with what the server would take (minutes, or for ever)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from contexts.vsphere import collector, inventory
from contexts.vsphere.budget import Budget
from contexts.vsphere.errors import (
    AnswerTooLarge,
    ConnectionLost,
    NotVSphere,
    VSphereError,
    VSphereFault,
)
from contexts.vsphere.session import Session
from contexts.vsphere.tls import VSphereConnection, presented_certificate
from tests import hostile
from tests.hostile import Conversation, HostileServer, Way, after_the_versions, says, serving

# Every one of them would hold a client for two minutes at least, most of them for ever.
SLOW: dict[str, Way] = {
    "silent": hostile.silent,
    "drips": hostile.drips,
    "drips its headers": hostile.drips_headers,
    "endless continues": hostile.endless_continues,
}
WRONG: dict[str, Way] = {
    "endless headers": hostile.endless_headers,
    "endless body": hostile.endless_body,
    "endless chunks": hostile.endless_chunks,
    "closes in the middle": hostile.closes_in_the_middle,
    "redirects": hostile.redirects_for_ever,
    "gzip": hostile.gzip_bomb,
}
SECONDS = 0.5


def connecting(server: HostileServer, **options: object) -> VSphereError:
    """How connecting to it ends; it does end, or the test never does."""
    session = Session(server.endpoint(), timeout=SECONDS, **options)
    with pytest.raises(VSphereError) as ended:
        session.connect()
    session.close()
    return ended.value


@pytest.mark.parametrize("way", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("at", ["versions", "calls"])
def test_a_call_ends_in_its_time_however_the_server_stays_busy(
    way: Way, at: str, tmp_path: Path
) -> None:
    with serving(tmp_path, after_the_versions(way) if at == "calls" else way) as server:
        ended = connecting(server)
    assert isinstance(ended, ConnectionLost | AnswerTooLarge)
    if isinstance(ended, ConnectionLost):
        assert "no answer" in str(ended)


@pytest.mark.parametrize("way", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("at", ["versions", "calls"])
def test_what_no_vsphere_server_answers_is_an_error_with_words(
    way: Way, at: str, tmp_path: Path
) -> None:
    with serving(tmp_path, after_the_versions(way) if at == "calls" else way) as server:
        ended = connecting(server)
    assert isinstance(ended, NotVSphere | ConnectionLost)


def test_a_handshake_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, hostile.silent, handshake=False) as server:
        assert isinstance(connecting(server), ConnectionLost)
        with pytest.raises(ConnectionLost):
            presented_certificate("127.0.0.1", server.port, SECONDS)


def test_a_file_of_a_datastore_ends_in_its_time_too(tmp_path: Path) -> None:
    with serving(tmp_path, hostile.drips) as server:
        connection = VSphereConnection(server.endpoint(), timeout=5, request_seconds=SECONDS)
        connection.request("GET", "/folder/web/web-flat.vmdk")
        answer = connection.getresponse()
        with pytest.raises(TimeoutError, match=r"within 0\.5 seconds"):
            answer.read()
        connection.close()


def test_a_reading_ends_in_its_time_although_each_call_is_answered(tmp_path: Path) -> None:
    # A page, and always one more: each comes at once.
    page = b"<returnval><token>next</token></returnval>"

    with serving(tmp_path, pages_without_end(page)) as server:
        reading = Budget(2, 1 << 30, "reading of the vCenter")
        with (
            pytest.raises(ConnectionLost, match=r"no reading of the vCenter within 2 seconds"),
            Session(server.endpoint(), reading=reading) as session,
        ):
            list(inventory.read_vms(session))
        assert b"ContinueRetrievePropertiesEx" in server.heard


def test_a_reading_ends_with_its_bytes_although_each_call_has_few(tmp_path: Path) -> None:
    page = b"<returnval><token>%s</token></returnval>" % (b"n" * 100_000)

    with (
        serving(tmp_path, pages_without_end(page)) as server,
        pytest.raises(AnswerTooLarge, match="reading"),
        Session(server.endpoint(), reading=Budget(60, 1 << 20, "reading")) as session,
    ):
        list(inventory.read_vms(session))


def test_what_is_read_of_one_vm_ends_with_its_bytes(tmp_path: Path) -> None:
    """Also in a session that has no bounds of its own, as those of jobs."""
    page = b"<returnval><token>%s</token></returnval>" % (b"n" * 1_000_000)
    with (
        serving(tmp_path, pages_without_end(page)) as server,
        pytest.raises(AnswerTooLarge, match="16 MiB for one reading of vm-1"),
        Session(server.endpoint()) as session,
    ):
        inventory.read_vm(session, "5000", moref_hint="vm-1")
    # With its places, and alone; not page after page of 1 MB.
    assert server.heard.count(b"ContinueRetrievePropertiesEx") < 40


def test_what_is_read_of_one_vm_ends_in_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "READING_SECONDS", SECONDS)
    page = b"<returnval><token>next</token></returnval>"
    with (
        serving(tmp_path, pages_without_end(page)) as server,
        pytest.raises(ConnectionLost, match=r"no reading of vm-1 within 0\.5 seconds"),
        Session(server.endpoint()) as session,
    ):
        inventory.read_vm(session, "5000", moref_hint="vm-1")


# ------------------------------------------------------------------ what is in an answer


CONTENT = b"".join(
    b'<%s type="%s">%s</%s>' % (name, kind, kind, name)
    for name, kind in [
        (b"rootFolder", b"Folder"),
        (b"propertyCollector", b"PropertyCollector"),
        (b"viewManager", b"ViewManager"),
    ]
) + (
    b"<about><name>x</name><fullName>vCenter</fullName><vendor>x</vendor><version>8</version>"
    b"<build>1</build><osType>x</osType><productLineId>vpx</productLineId>"
    b"<apiType>VirtualCenter</apiType><apiVersion>8.0.2.0</apiVersion></about>"
)
MANAGER = b'<sessionManager type="SessionManager">SessionManager</sessionManager>'
SEARCH = b'<searchIndex type="SearchIndex">SearchIndex</searchIndex>'
LOGIN = b"<returnval><key>1</key><userName>a</userName><fullName>a</fullName></returnval>"


def vcenter_with(**answers: bytes) -> Way:
    """A vCenter that can be logged in to, and answers these calls with this."""
    usual = {
        "RetrieveServiceContent": b"<returnval>%s</returnval>"
        % (CONTENT.replace(b"<about>", MANAGER + SEARCH + b"<about>")),
        "Login": LOGIN,
        "Logout": b"",
        "CreateContainerView": b'<returnval type="ContainerView">view-1</returnval>',
        "DestroyView": b"",
        "Fetch": b"",
    } | answers

    def answer(talk: Conversation) -> None:
        talk.result(usual.get(talk.method.decode(), b""))

    return after_the_versions(answer)


def pages_without_end(page: bytes) -> Way:
    return vcenter_with(RetrievePropertiesEx=page, ContinueRetrievePropertiesEx=page)


@pytest.mark.parametrize(
    "missing", [MANAGER, b'<propertyCollector type="PropertyCollector">PropertyCollector', b"about"]
)
def test_a_vcenter_that_lacks_what_every_one_has_is_none(missing: bytes, tmp_path: Path) -> None:
    content = CONTENT.replace(b"<about>", MANAGER + SEARCH + b"<about>")
    without = content.replace(missing + b"</propertyCollector>", b"").replace(missing, b"")
    if missing == b"about":
        without = content.partition(b"<about>")[0]
    answer = b"<returnval>%s</returnval>" % without
    with (
        serving(tmp_path, vcenter_with(RetrieveServiceContent=answer)) as server,
        pytest.raises(NotVSphere, match="has no"),
        Session(server.endpoint()) as session,
    ):
        list(inventory.read_vms(session))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<returnval></returnval>",
        b'<returnval xsi:type="xsd:string">x</returnval>',
        b'<returnval xsi:type="NoSuchType">x</returnval>',
        b"<returnval><noSuchField>1</noSuchField></returnval>",
    ],
)
def test_a_result_of_another_kind_is_an_error_with_words(content: bytes, tmp_path: Path) -> None:
    with serving(tmp_path, vcenter_with(RetrieveServiceContent=content)) as server:
        assert isinstance(connecting(server), NotVSphere)


@pytest.mark.parametrize(
    "declared",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">',
    ],
)
def test_entities_are_not_even_declared(declared: bytes, tmp_path: Path) -> None:
    def answer(talk: Conversation) -> None:
        talk.answer(b'<?xml version="1.0"?>' + declared + b"<x>&b;</x>")

    with serving(tmp_path, after_the_versions(answer)) as server:
        assert "document type" in str(connecting(server))


def test_a_fault_of_an_unknown_class_is_told_by_its_name_and_words(tmp_path: Path) -> None:
    detail = b'<NewKindFault xmlns="urn:vim25"><newField><deep>1</deep></newField></NewKindFault>'
    with serving(
        tmp_path, after_the_versions(lambda talk: talk.fault(b"not today", detail))
    ) as server:
        ended = connecting(server)
    assert isinstance(ended, VSphereFault)
    assert ended.fault == "NewKind"
    assert "not today" in str(ended)


VM = (
    b'<objects><obj type="VirtualMachine">vm-%d</obj><propSet><name>name</name>'
    b'<val xsi:type="xsd:string">vm%d</val></propSet><propSet><name>config.instanceUuid</name>'
    b'<val xsi:type="xsd:string">50000000-0000-0000-0000-00000000000%d</val></propSet>'
    b'<propSet><name>config.hardware.device</name><val xsi:type="ArrayOfVirtualDevice"/></propSet>'
    b"%s</objects>"
)
POWERED_ON = (
    b"<propSet><name>runtime.powerState</name>"
    b'<val xsi:type="VirtualMachinePowerState">poweredOn</val></propSet>'
)
POWER = b'<propSet><name>runtime.powerState</name><val xsi:type="%s">%s</val></propSet>'


@pytest.mark.parametrize(
    "strange",
    [
        POWER % (b"VirtualMachinePowerState", b"hibernated"),
        POWER % (b"VirtualMachinePowerState", b"__class__"),
        POWER % (b"NoSuchType", b"<a><b>1</b></a>"),
        b'<propSet><name>config.hardware.numCPU</name><val xsi:type="xsd:int">many</val></propSet>',
        b'<propSet><name>guest.net</name><val xsi:type="ArrayOfGuestNicInfo">'
        b'<GuestNicInfo xsi:type="xsd:string">x</GuestNicInfo></val></propSet>',
        b'<missingSet><path>guest.net</path><fault><fault xsi:type="NewFault"><x>1</x></fault>'
        b"<localizedMessage>new</localizedMessage></fault></missingSet>",
    ],
)
def test_one_value_that_nobody_knows_affects_nothing_else(strange: bytes, tmp_path: Path) -> None:
    page = VM % (1, 1, 1, strange) + VM % (
        2,
        2,
        2,
        POWER % (b"VirtualMachinePowerState", b"poweredOn"),
    )
    found = read_vms_of(page, tmp_path)
    assert [vm.name for vm in found] == ["vm1", "vm2"]
    assert found[0].instance_uuid == "50000000-0000-0000-0000-000000000001"
    assert found[0].specs["power_state"] is None
    assert found[1].specs["power_state"] == "poweredOn"


def test_a_vm_whose_devices_nobody_knows_is_listed_with_the_reason(tmp_path: Path) -> None:
    disk = b'<VirtualDevice xsi:type="NewDisk"><capacityInKB>1</capacityInKB></VirtualDevice>'
    keyboard = b'<VirtualDevice xsi:type="VirtualKeyboard"><key>600</key></VirtualDevice>'
    strange, usual = (
        (VM % (number, number, number, b"")).replace(
            b'<val xsi:type="ArrayOfVirtualDevice"/>',
            b'<val xsi:type="ArrayOfVirtualDevice">%s</val>' % device,
        )
        for number, device in ((1, disk), (2, keyboard))
    )
    first, second = read_vms_of(strange + usual, tmp_path)
    assert "NewDisk may be a disk, of a kind that vmrep does not know" in first.unreadable
    assert first.lacks == {"disks"}
    assert first.instance_uuid
    assert second.instance_uuid
    assert not second.lacks


def read_vms_of(objects: bytes, folder: Path) -> list[inventory.VmRecord]:
    """As a server delivers these objects, whatever it is asked for."""
    way = vcenter_with(RetrievePropertiesEx=b"<returnval>%s</returnval>" % objects)
    with serving(folder, way) as server, Session(server.endpoint()) as one:
        return [vm for page in inventory.read_vms(one) for vm in page.records]


# ------------------------------------------------------------------ what an answer costs

MOST_MEMORY_MIB = 256  # above what the process has before; stated in docs/operations.md


def text_of(size: int) -> bytes:
    return b"<returnval><about><name>%s</name></about></returnval>" % (b"n" * size)


def many(kind: bytes, each: bytes, count: int) -> Way:
    """A VM with a property that is an array of so many."""
    values = b"<%s>%s</%s>" % (kind, each, kind) * count
    value = b'<propSet><name>x</name><val xsi:type="ArrayOf%s">%s</val></propSet>' % (kind, values)
    return vcenter_with(RetrievePropertiesEx=b"<returnval>%s</returnval>" % (VM % (1, 1, 1, value)))


# Made for the test that wants it: they are large.
COSTLY: dict[str, Callable[[], Way]] = {
    "gzip bomb": lambda: after_the_versions(hostile.gzip_bomb),
    "endless body": lambda: after_the_versions(hostile.endless_body),
    "a text of 31 MB": lambda: says(text_of(31 << 20)),
    "a fault text of 5 MB": lambda: after_the_versions(lambda talk: talk.fault(b"f" * (5 << 20))),
    "nested a million deep": lambda: after_the_versions(
        lambda talk: talk.fault(
            b"x",
            b'<RuntimeFaultFault xmlns="urn:vim25">'
            + b'<faultCause><fault xsi:type="RuntimeFault">' * 500_000,
        )
    ),
    "an attribute of 30 MB": lambda: says(b'<returnval a="%s"/>' % (b"a" * (30 << 20))),
    "a million attributes": lambda: says(
        b"<returnval %s/>" % b" ".join(b'a%d=""' % n for n in range(1_000_000))
    ),
    "a tag name of 30 MB": lambda: says(b"<%s/>" % (b"t" * (30 << 20))),
    "half a million objects": lambda: many(b"VirtualMachineConfigInfo", b"", 500_000),
    "a million objects without a value": lambda: vcenter_with(
        RetrievePropertiesEx=b"<returnval>" + b"<objects/>" * 1_000_000 + b"</returnval>"
    ),
    "half a million faults": lambda: after_the_versions(
        lambda talk: talk.fault(b"x", b"<NoPermissionFault><x/></NoPermissionFault>" * 500_000)
    ),
}
CLIENT = """
    import resource, sys
    from contexts.vsphere.endpoint import Endpoint, Trust
    from contexts.vsphere.errors import VSphereError
    from contexts.vsphere.inventory import read_vms
    from contexts.vsphere.session import Session

    def most_memory():
        (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
        return int(line.split()[1]) >> 10

    before, said = most_memory(), "read"
    trust = Trust("pin", sys.argv[2])
    try:
        with Session(Endpoint("127.0.0.1", int(sys.argv[1]), "a", "b", trust)) as session:
            list(read_vms(session))
    except VSphereError as ended:
        said = f"{type(ended).__name__}: {ended}"
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(most_memory() - before, int(used.ru_utime + used.ru_stime), len(said), said[:60])
"""


# Each needs a process of its own.
IN_THE_FAST_TIER = ("gzip bomb", "nested a million deep", "half a million objects")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, id=name, marks=[] if name in IN_THE_FAST_TIER else pytest.mark.slow)
        for name, way in COSTLY.items()
    ],
)
def test_an_answer_costs_no_more_memory_and_text_than_is_stated(
    way: Callable[[], Way], tmp_path: Path
) -> None:
    with serving(tmp_path, way()) as server:
        client = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(CLIENT), str(server.port), server.fingerprint],
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert client.returncode == 0, client.stderr
    memory, _cpu, length, _ = client.stdout.split(maxsplit=3)
    assert int(memory) <= MOST_MEMORY_MIB
    assert int(length) < 5000
