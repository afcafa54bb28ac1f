"""The client sends again what can be sent again, and its token to the right server alone."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest

from tests.client.servers import Answer, hangs_up, is_endless, says, serving
from tests.notifications.servers import Certificates
from vmrep.client import Client, NotReached, Refused, WaitedTooLong, transport
from vmrep.client.errors import ClientError

BUSY = b'{"code": "database_unreachable", "message": "The database does not answer."}'


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def test_a_start_is_sent_again_with_its_key_until_it_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "FIRST_PAUSE_SECONDS", 0.01)
    trouble = [says(429, BUSY, Retry_After="0"), says(503, BUSY, Retry_After="0"), hangs_up]
    with (
        serving(*trouble, says(202, b'{"id": "job-1"}')) as server,
        Client(server.url, "secret") as client,
    ):
        assert client.post_vm_context_replications("ctx/1", {})["id"] == "job-1"
    keys = {each.headers["Idempotency-Key"] for each in server.asked}
    assert (len(server.asked), len(keys)) == (4, 1)
    assert {each.path for each in server.asked} == {"/api/v1/vm-contexts/ctx%2F1/replications/"}
    assert {each.headers["Authorization"] for each in server.asked} == {"Token secret"}


def test_what_may_have_been_done_is_not_sent_again() -> None:
    with serving(hangs_up) as server, Client(server.url, "secret") as client:
        with pytest.raises(NotReached, match="Whether this PATCH was done is not known"):
            client.patch_group(1, {"name": "Shop"})
        assert len(server.asked) == 1
        server.answers = [says(503, BUSY, Retry_After="0")]
        with pytest.raises(Refused, match="does not answer") as refused:
            client.delete_group(1)
        assert (refused.value.status, refused.value.code) == (503, "database_unreachable")
        assert len(server.asked) == 2


def test_patience_ends() -> None:
    with (
        serving(says(503, BUSY, Retry_After="7")) as server,
        Client(server.url, "secret", patience=5) as client,
        pytest.raises(Refused),
    ):
        client.get_health()
    assert len(server.asked) == 1


def test_a_list_is_read_page_by_page_at_this_server() -> None:
    pages = [
        b'{"next": "http://elsewhere.example.org/api/v1/pauses/?cursor=a%2Bb&page_size=500",'
        b' "results": [{"id": 1}, {"id": 2}]}',
        b'{"next": null, "results": [{"id": 3}]}',
    ]
    with (
        serving(*(says(200, page) for page in pages)) as server,
        Client(server.url, "secret") as client,
    ):
        rows = client.all_pauses(ordering=["-id", "kind"], kind=["vm", "all"])
        assert [each["id"] for each in rows] == [1, 2, 3]
    begins, goes_on = (each.path for each in server.asked)
    query = "ordering=-id%2Ckind"
    assert query in begins
    assert begins.endswith("cursor=")
    assert "kind=vm&kind=all" in begins
    assert goes_on.endswith("cursor=a%2Bb")
    assert query in goes_on


def test_no_redirect_is_followed_and_no_netrc_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine localhost login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with serving(says(200)) as other, serving(says(302, Location=other.url)) as server:
        with Client(server.url, "secret") as client, pytest.raises(NotReached, match="leads to"):
            client.get_health()
        assert other.asked == []
        assert [each.headers["Authorization"] for each in server.asked] == ["Token secret"]


@pytest.mark.parametrize("answer", [says(200, b"<html>"), says(404, b'"x"'), says(200, b"null")])
def test_what_is_not_vmrep_is_said(answer: Answer) -> None:
    with (
        serving(answer) as server,
        Client(server.url) as client,
        pytest.raises(NotReached, match="not vmrep's API"),
    ):
        client.get_health()


def test_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 1 << 20)
    with (
        serving(is_endless) as server,
        Client(server.url) as client,
        pytest.raises(NotReached, match="larger than any"),
    ):
        client.get_health()


def test_a_server_is_recognised_by_its_authority_or_its_own_certificate(
    certificates: Certificates, tmp_path: Path
) -> None:
    der = hashlib.sha256(_der(certificates.good)).hexdigest()
    colons = ":".join(der[at : at + 2] for at in range(0, 64, 2)).upper()
    ca = tmp_path / "ca.pem"
    ca.write_text(certificates.ca)
    with serving(says(200, b'{"x": 1}'), context=certificates.context()) as server:
        with Client(server.url, "secret") as client, pytest.raises(NotReached, match=colons):
            client.get_health()
        assert server.asked == []
        for trusts in ({"ca_file": str(ca)}, {"fingerprint": der}, {"fingerprint": colons}):
            with Client(server.url, "secret", **trusts) as client:  # type: ignore[arg-type]
                assert client.get_health() == {"x": 1}
        with (
            Client(server.url, "secret", fingerprint="ab" * 32) as client,
            pytest.raises(NotReached, match="not trusted"),
        ):
            client.get_health()
    assert len(server.asked) == 3
    # Of another name: an authority's word is not for this server.
    ca.write_text(certificates.wrong.read_text().partition("-----BEGIN PRIVATE")[0])
    with (
        serving(says(200), context=certificates.context(wrong=True)) as server,
        Client(server.url, "secret", ca_file=str(ca)) as client,
        pytest.raises(NotReached, match="not trusted"),
    ):
        client.get_health()
    assert server.asked == []


def _der(pem: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.read_text().partition("-----BEGIN PRIVATE")[0])


@pytest.mark.parametrize(
    ("address", "says_why"),
    [
        ("http://vmrep.example.org", "everybody on the way"),
        ("ftp://vmrep.example.org", "not an address"),
        ("https://", "not an address"),
        ("https://me:pw@vmrep.example.org", "the server alone"),
        ("https://vmrep.example.org/api/v1/", "the server alone"),
        ("https://vmrep.example.org:99999", "not an address"),
    ],
)
def test_an_address_that_would_tell_the_token_is_refused(address: str, says_why: str) -> None:
    with pytest.raises(ClientError, match=says_why):
        Client(address, "secret")


def test_addresses_are_understood() -> None:
    with Client("vmrep.example.org") as client:
        assert client.transport.server == "https://vmrep.example.org"
    with Client("http://[::1]:8000/") as client:
        assert client.transport.server == "http://[::1]:8000"
    with Client("http://vmrep.example.org", allow_http=True) as client:
        assert client.transport.server == "http://vmrep.example.org"


def test_waiting_ends_though_the_job_goes_on() -> None:
    with (
        serving(says(200, b'{"status": "running"}')) as server,
        Client(server.url) as client,
        pytest.raises(WaitedTooLong, match="it goes on"),
    ):
        client.wait_for_job("job-1", seconds=0.01)
