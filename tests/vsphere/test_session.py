from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from contexts.vsphere.endpoint import Endpoint, Trust
from contexts.vsphere.errors import (
    ConnectionLost,
    ConnectionRefused,
    LoginRefused,
    OtherEstate,
    SessionExpired,
)
from contexts.vsphere.inventory import VmRecord, read_vm
from contexts.vsphere.session import Session
from contexts.vsphere.stub import Stub
from contexts.vsphere.tls import VSphereConnection, presented_certificate
from vmrep.lab import Lab
from vmrep.lab.control.client import LabControl

Connect = Callable[..., Session]
READ = "RetrievePropertiesEx"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def status_with(session: Session, headers: dict[str, str]) -> int:
    """The answer to asking for a file that does not exist: 401 without a login, else 404."""
    connection = session.https_connection()
    connection.request("GET", "/folder/nothing?dcPath=x&dsName=y", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def name_of_root(session: Session) -> str:
    return session.invoke("Reading", lambda: session.content.rootFolder.name)


# ------------------------------------------------------------------ connecting


def test_it_says_who_answers(session: Session, lab: Lab) -> None:
    assert session.about.instance_uuid == lab.instance_uuid
    assert session.about.api_type == "VirtualCenter"
    assert session.about.full_name
    assert session.about.api_version


def test_the_expected_estate_is_accepted(connect: Connect, lab: Lab) -> None:
    assert connect(instance_uuid=lab.instance_uuid).cookie_headers()


def test_another_estate_is_refused_before_the_password_is_sent(
    connect: Connect, lab: Lab, calls: list[str]
) -> None:
    with pytest.raises(OtherEstate) as refused:
        connect(instance_uuid="another")
    assert refused.value.expected == "another"
    assert refused.value.presented == lab.instance_uuid
    assert calls == ["RetrieveServiceContent"]


def test_a_wrong_password_is_refused_and_told_nowhere(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LoginRefused) as refused:
        connect(password="wr0ng-password")
    told = f"{refused.value} {refused.value!r} {refused.value.__cause__} {caplog.text}"
    assert "wr0ng-password" not in told


def test_secrets_are_in_no_text_of_a_session(session: Session) -> None:
    cookie = session.cookie_headers()["Cookie"]
    assert session.endpoint.password not in repr(session)
    assert cookie.partition("=")[2].strip('"') not in repr(session)


def test_what_needs_a_connection_says_so_before_and_after(endpoint: Endpoint) -> None:
    session = Session(endpoint)
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            name_of_root(session)
        session.close()
    assert session.cookie_headers() == {}


# ------------------------------------------------------------------ expired logins


def test_an_expired_login_is_renewed_once_for_a_read(
    session: Session, control: LabControl, calls: list[str]
) -> None:
    before = session.cookie_headers()
    assert control.expire_sessions() >= 1
    assert name_of_root(session) == "Datacenters"
    # Whose vCenter it is is looked at again, before the password is sent.
    assert calls == ["Fetch name", "RetrieveServiceContent", "Login", "Fetch name"]
    assert session.cookie_headers() != before


def test_a_login_that_expired_is_not_renewed_at_another_vcenter(
    session: Session, control: LabControl, lab: Lab, calls: list[str]
) -> None:
    old = lab.instance_uuid
    new = control.rebuild_vcenter()
    with pytest.raises(OtherEstate) as told:
        name_of_root(session)
    assert (told.value.expected, told.value.presented) == (old, new)
    assert "Login" not in calls
    control.rebuild_vcenter(instance_uuid=old)
    assert name_of_root(session) == "Datacenters"


def test_an_expired_cookie_is_not_sent_with_the_new_login(
    session: Session, control: LabControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    # vCenter refuses to log in who seems to be logged in.
    sent: dict[str, str] = {}
    call = Stub.InvokeMethod

    def noted(stub: Stub, mo: Any, info: Any, args: Any) -> Any:
        sent[info.wsdlName] = stub.cookie
        return call(stub, mo, info, args)

    monkeypatch.setattr(Stub, "InvokeMethod", noted)
    control.expire_sessions()
    name_of_root(session)
    assert sent["Login"] == ""


def test_a_login_that_expires_again_at_once_is_not_renewed_for_ever(
    session: Session, control: LabControl, vm: VmRecord, calls: list[str]
) -> None:
    control.fail(READ, fault="NotAuthenticated", times=100)
    with pytest.raises(SessionExpired):
        read_vm(session, "x", vm.moref)
    assert calls.count("Login") == 1
    assert calls.count(READ) == 2


def test_a_call_that_leans_on_a_login_is_not_repeated_under_another(
    session: Session, control: LabControl, calls: list[str]
) -> None:
    login = session.login_number
    control.expire_sessions()
    for _ in range(2):
        with pytest.raises(SessionExpired):
            session.invoke("X", lambda: session.content.rootFolder.name, login=login)
    assert calls == ["Fetch name"] * 2


def test_a_fault_after_a_renewal_elsewhere_is_told_as_the_expiry(
    session: Session, control: LabControl
) -> None:
    login = session.login_number
    control.expire_sessions()
    session.renew()
    control.fail("Fetch", fault="ManagedObjectNotFound")
    with pytest.raises(SessionExpired):
        session.invoke("X", lambda: session.content.rootFolder.name, login=login)


def test_renew_does_nothing_to_a_valid_login(session: Session, calls: list[str]) -> None:
    before = session.cookie_headers()
    session.renew()
    assert session.cookie_headers() == before
    assert "Login" not in calls


def test_keep_alive_renews_the_cookie_while_nobody_calls(
    connect: Connect, control: LabControl
) -> None:
    session = connect(keep_alive=0.02)
    before = session.cookie_headers()
    assert status_with(session, before) == 404
    control.expire_sessions()
    wait_until(lambda: session.cookie_headers() != before)
    assert status_with(session, before) == 401
    assert status_with(session, session.cookie_headers()) == 404


def test_keep_alive_outlives_a_failure(connect: Connect, control: LabControl) -> None:
    session = connect(keep_alive=0.02)
    control.fail("Fetch", fault="SystemError", times=3)
    control.drop_connection("Fetch", times=4)
    before = session.cookie_headers()
    control.expire_sessions()
    wait_until(lambda: session.cookie_headers() != before)


def test_many_threads_may_ask_for_headers_and_connections_during_renewals(
    connect: Connect, control: LabControl
) -> None:
    session = connect(keep_alive=0.01)
    done = threading.Event()

    def copy_thread() -> set[str]:
        seen = set()
        while not done.is_set():
            headers = session.cookie_headers()
            seen.add(headers["Cookie"])
            status_with(session, headers)
        return seen

    with ThreadPoolExecutor(4) as pool:
        threads = [pool.submit(copy_thread) for _ in range(4)]
        for _ in range(5):
            before = session.cookie_headers()
            control.expire_sessions()
            assert name_of_root(session) == "Datacenters"
            wait_until(lambda before=before: session.cookie_headers() != before)
        done.set()
        seen = set().union(*(thread.result() for thread in threads))
    assert len(seen) > 1
    assert all(re.fullmatch(r'vmware_soap_session="[0-9a-f]+"', cookie) for cookie in seen)


def test_closing_ends_the_login_at_the_server(connect: Connect) -> None:
    session = connect()
    headers = session.cookie_headers()
    assert status_with(session, headers) == 404
    session.close()
    assert status_with(session, headers) == 401
    assert session.cookie_headers() == {}


# ------------------------------------------------------------------ lost connections


def test_a_read_is_repeated_once_after_a_lost_connection(
    session: Session, control: LabControl, vm: VmRecord, calls: list[str]
) -> None:
    control.drop_connection(READ)
    assert read_vm(session, vm.instance_uuid or "", vm.moref) == vm
    assert calls == [READ] * 3


def test_a_read_that_is_cut_off_twice_is_a_lost_connection(
    session: Session, control: LabControl, vm: VmRecord, calls: list[str]
) -> None:
    control.drop_connection(READ, times=2)
    with pytest.raises(ConnectionLost):
        read_vm(session, vm.instance_uuid or "", vm.moref)
    assert calls == [READ] * 2
    assert "Login" not in calls


def test_a_change_is_never_repeated_after_a_lost_connection(
    session: Session, control: LabControl, calls: list[str]
) -> None:
    control.drop_connection("Fetch")
    with pytest.raises(ConnectionLost):
        session.invoke("Changing", lambda: session.content.rootFolder.name, repeat=False)
    assert calls == ["Fetch name"]


def test_a_change_is_not_sent_into_a_connection_that_rested(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    connect = VSphereConnection.connect
    monkeypatch.setattr(
        VSphereConnection,
        "connect",
        lambda connection: (opened.append(connection), connect(connection))[1],
    )
    name_of_root(session)
    assert opened == []
    session.invoke("Changing", lambda: session.content.rootFolder.name, repeat=False)
    assert len(opened) == 1


def test_a_server_that_does_not_answer_is_given_up(
    connect: Connect, control: LabControl, vm: VmRecord
) -> None:
    session = connect(timeout=0.5)
    control.delay(READ, 2)
    with pytest.raises(ConnectionLost, match=r"no answer within 0\.5 seconds"):
        read_vm(session, vm.instance_uuid or "", vm.moref)


def test_patience_is_for_one_call_only(connect: Connect, control: LabControl) -> None:
    session = connect(timeout=0.5)
    control.delay("Fetch", 1)
    root = session.content.rootFolder
    assert session.invoke("X", lambda: root.name, timeout=20) == "Datacenters"
    with pytest.raises(ConnectionLost):
        name_of_root(session)


def test_a_server_that_was_stopped_refuses_and_does_not_hinder_closing(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab", "small") as lab:
        fingerprint = presented_certificate(lab.host, lab.port).fingerprint_sha256
        trust = Trust("pin", fingerprint)
        session = Session(Endpoint(lab.host, lab.port, lab.username, lab.password, trust))
        session.connect()
    with pytest.raises((ConnectionRefused, ConnectionLost)):
        name_of_root(session)
    session.close()
    with pytest.raises(ConnectionRefused):
        session.connect()
