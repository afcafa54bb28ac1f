"""What goes out by each channel, over real servers, and what happens when they misbehave."""

from __future__ import annotations

import json
import tracemalloc
import uuid
from typing import Any

import pytest
import requests
from django.utils import timezone
from standardwebhooks import Webhook

from tests.notifications import servers
from tests.notifications.conftest import webhook_settings
from tests.notifications.servers import HOST, SECRET, MailServer, raw_server, status
from vmrep.notifications import channels, reach
from vmrep.notifications.channels.base import Message
from vmrep.notifications.errors import ChannelRefused, NotDelivered

pytestmark = [pytest.mark.any_database, pytest.mark.filterwarnings("ignore::ResourceWarning")]

MESSAGE = Message(
    id=uuid.UUID(int=7),
    type="vmrep.over_target",
    at=timezone.now(),
    subject="[vmrep] VM over its target: web",
    text="web is over its RPO target. Grüße",
    html="<p>web is over its RPO target.</p>",
    data={"kind": "over_target", "vm_name": "web"},
)


MAIL = {"host": "mx", "sender": "a@b.org", "recipients": ["a@b.org"]}


def post(settings: dict[str, object], seconds: float = 5) -> str:
    return channels.send("webhook", channels.clean("webhook", settings), MESSAGE, seconds=seconds)


def mail(settings: dict[str, object], seconds: float = 5) -> str:
    return channels.send("email", channels.clean("email", settings), MESSAGE, seconds=seconds)


def mail_settings(server: MailServer | int, certificates: Any, **more: object) -> dict[str, object]:
    return {
        "host": HOST,
        "port": server if isinstance(server, int) else server.port,
        "sender": "vmrep@example.org",
        "recipients": ["ops@example.org", "night@example.org"],
        "ca_certificate": certificates.ca,
        **more,
    }


def test_a_webhook_is_signed_so_that_the_library_verifies_it(web_server, certificates, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    answer = post(webhook_settings(web_server, certificates))
    assert answer == "The server answered 200 OK. {}"
    (posted,) = web_server.posted
    assert posted.path == "/hook/secret-path?key=1"
    told = Webhook(SECRET).verify(posted.body, posted.headers)
    assert told == {
        "type": "vmrep.over_target",
        "timestamp": MESSAGE.at.isoformat(),
        "data": MESSAGE.data,
    }
    assert posted.headers["webhook-id"] == str(MESSAGE.id)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(404, b"no \x1b[31m such hook"), "404 Not Found. no \\x1b[31m such hook"),
        (status(500, b"x" * 5000), "500 Internal Server Error. xxx"),
        (status(302, Location="http://169.254.169.254/"), "vmrep follows none"),
        (servers.drop, ""),
        (servers.drip, ""),
    ],
    ids=["404", "500", "redirect", "drop", "drip"],
)
def test_a_web_server_that_does_not_take_it(web_server, certificates, answer, why):
    web_server.answer = answer
    never_ends = answer is servers.drip
    with pytest.raises(NotDelivered) as refused:
        post(webhook_settings(web_server, certificates), seconds=1 if never_ends else 30)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 700
    assert len(web_server.posted) == 1 or never_ends


def test_an_endless_answer_is_not_read_to_its_end(web_server, certificates):
    web_server.answer = servers.huge
    tracemalloc.start()
    assert "200 OK. xxx" in post(webhook_settings(web_server, certificates))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 << 20


def test_servers_that_never_answer_are_left_in_time(certificates):
    with raw_server(servers.hang) as port:
        for send in (
            lambda: post({"url": f"https://{HOST}:{port}/", "secret": SECRET}, seconds=0.3),
            lambda: mail(mail_settings(port, certificates), seconds=0.3),
        ):
            with pytest.raises(NotDelivered, match=r"not taken within 0\.3 seconds"):
                send()


def test_a_certificate_for_another_name_or_of_nobody_known_is_refused(certificates, web_server):
    unknown = webhook_settings(web_server, certificates) | {"ca_certificate": ""}
    with pytest.raises(NotDelivered, match="certificate is not trusted: self"):
        post(unknown)
    wrong = servers.WebServer(certificates.context(wrong=True))
    mails = MailServer(starttls=certificates.context(wrong=True), tls=None)
    elsewhere = certificates.wrong.read_text().partition("-----BEGIN PRIVATE")[0]
    with pytest.raises(NotDelivered, match=r"not trusted: .*localhost"):
        post({"url": wrong.url, "secret": SECRET, "ca_certificate": elsewhere})
    with pytest.raises(NotDelivered, match=r"not trusted: .*localhost"):
        mail(mail_settings(mails, certificates, ca_certificate=elsewhere))
    wrong.close()
    mails.close()
    assert (wrong.posted, mails.mails, web_server.posted) == ([], [], [])


def test_a_mail_arrives_whole_and_its_id_is_the_message_s(mail_server, certificates):
    login = {"username": "vmrep", "password": "s3cret"}
    assert mail(mail_settings(mail_server, certificates, **login)) == "Accepted by localhost."
    (got,) = mail_server.mails
    assert got["Subject"] == MESSAGE.subject
    assert got["Message-ID"] == f"<{MESSAGE.id}@example.org>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got.get_body(("plain",)).get_content().strip() == MESSAGE.text
    assert "RPO target" in got.get_body(("html",)).get_content()
    assert mail_server.recipients == [["ops@example.org", "night@example.org"]]
    mail_server.refused = {"night@example.org"}
    answer = mail(mail_settings(mail_server, certificates))
    assert answer.endswith("Not accepted: night@example.org: 550 No such user here")


def test_mail_over_tls_from_the_first(certificates):
    server = MailServer(starttls=None, tls=certificates.context())
    assert mail(mail_settings(server, certificates, security="tls")) == "Accepted by localhost."
    with pytest.raises(NotDelivered):  # it speaks TLS at once
        mail(mail_settings(server, certificates, security="none"), seconds=0.5)
    server.close()


def test_mail_servers_that_do_not_take_it(mail_server, certificates):
    for answer in ("451 Try again later", "554 Looks like spam"):
        mail_server.answer = answer
        with pytest.raises(NotDelivered, match=f"answered {answer[:3]}: {answer[4:]}"):
            mail(mail_settings(mail_server, certificates))
    mail_server.refused = {"ops@example.org", "night@example.org"}
    with pytest.raises(NotDelivered, match=r"No recipient was accepted: ops@example\.org: 550"):
        mail(mail_settings(mail_server, certificates))
    wrong = {"username": "vmrep", "password": "not that one"}
    with pytest.raises(NotDelivered, match="The server answered 535") as refused:
        mail(mail_settings(mail_server, certificates, **wrong))
    assert "not that one" not in str(refused.value)
    plain = MailServer(starttls=None, tls=None)
    with pytest.raises(NotDelivered, match="does not offer"):
        mail(mail_settings(plain, certificates))
    plain.close()
    with (
        raw_server(servers.endless_greeting) as port,
        pytest.raises(NotDelivered, match="too much"),
    ):
        mail(mail_settings(port, certificates))
    with raw_server(servers.hang_up) as port, pytest.raises(NotDelivered):
        mail(mail_settings(port, certificates))


def test_an_apprise_service_is_told_and_its_refusal_kept_without_its_secrets(
    web_server, certificates, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.good))
    config = channels.clean("apprise", {"url": f"ntfys://{HOST}:{web_server.port}/secret-topic"})
    assert channels.shown("apprise", config) == "ntfys://…"
    channels.send("apprise", config, MESSAGE)
    assert b"over its RPO target" in web_server.posted[0].body
    web_server.answer = status(403, json.dumps({"error": "secret-topic forbidden"}).encode())
    with pytest.raises(NotDelivered) as refused:
        channels.send("apprise", config, MESSAGE)
    assert "403" in str(refused.value)
    assert "secret-topic" not in str(refused.value)
    sent = len(web_server.posted)
    web_server.answer = status(307, Location=web_server.url)
    with pytest.raises(NotDelivered):
        channels.send("apprise", config, MESSAGE)
    assert len(web_server.posted) == sent + 1  # it does not follow


def test_another_ca_is_trusted_only_with_the_address_that_it_is_for(certificates):
    known = channels.clean("webhook", {"url": f"https://{HOST}/secret-path", "secret": SECRET})
    new = known | {"ca_certificate": certificates.ca}
    with pytest.raises(ChannelRefused, match="enter the url again"):
        channels.require_secrets_again("webhook", known, new, {"ca_certificate"})
    channels.require_secrets_again("webhook", known, new, {"ca_certificate", "url"})
    channels.require_secrets_again("webhook", known, known | {"secret": "other"}, {"secret"})
    channels.require_secrets_again(
        "apprise", {"url": "ntfys://a/b"}, {"url": "ntfys://c/d"}, {"url"}
    )


def test_what_else_connects_is_not_bound_by_the_rule_for_channels(
    settings, web_server, certificates
):
    """A provider of identities may be on this machine, whether a channel was used before or not."""
    channels.clean("apprise", {"url": "ntfys://ntfy.example.org/topic"})
    settings.NOTIFY_PRIVATE = False
    address = web_server.url.replace(HOST, "localhost")
    assert requests.post(address, verify=str(certificates.good), timeout=10).status_code == 200


@pytest.mark.parametrize(
    "address", ["localhost", "127.0.0.1", "[::1]", "169.254.169.254", "0.0.0.0", "[fd00:ec2::254]"]
)
def test_no_channel_leads_to_this_machine_or_to_a_metadata_service(
    settings, web_server, certificates, address
):
    settings.NOTIFY_PRIVATE = False
    url = web_server.url.replace(HOST, address)
    with pytest.raises(NotDelivered, match="VMREP_NOTIFY_PRIVATE"):
        post({"url": url, "secret": SECRET})
    with pytest.raises(NotDelivered, match="VMREP_NOTIFY_PRIVATE"):
        mail(mail_settings(web_server.port, certificates, host=address.strip("[]")))
    config = channels.clean("apprise", {"url": f"ntfys://{address}:{web_server.port}/topic"})
    with pytest.raises(NotDelivered):
        channels.send("apprise", config, MESSAGE)
    assert web_server.posted == []


def test_a_company_s_own_addresses_are_allowed_and_mapped_ones_are_seen_through(settings):
    settings.NOTIFY_PRIVATE = False
    for allowed in ("10.1.2.3", "192.168.1.1", "fd12::1", "203.0.113.7"):
        reach._require_allowed("x", allowed)
    for refused in ("::ffff:127.0.0.1", "fe80::1%eth0", "224.0.0.1"):
        with pytest.raises(NotDelivered):
            reach._require_allowed("x", refused)


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("webhook", {"url": "http://example.org/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://u:p@example.org/", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://[", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://example.org/\r\nX: y", "secret": SECRET}, "url"),
        ("webhook", {"url": "https://example.org/", "secret": "short"}, "secret"),
        ("webhook", {"url": "https://example.org/"}, "secret"),
        (
            "webhook",
            {"url": "https://example.org/", "secret": SECRET, "ca_certificate": "no"},
            "ca_certificate",
        ),
        (
            "webhook",
            {"url": "https://example.org/", "secret": SECRET, "ca_certificate": "café"},
            "ca_certificate",
        ),
        ("webhook", {"url": "https://example.org/", "secret": []}, "secret"),
        ("email", {"host": "mx", "sender": "a@b.org", "recipients": []}, "recipients"),
        ("email", MAIL | {"host": "<b>"}, "host"),
        ("email", MAIL | {"host": "https://mx"}, "host"),
        ("email", MAIL | {"host": "../.."}, "host"),
        ("email", MAIL | {"port": []}, "port"),
        ("email", MAIL | {"port": 0}, "port"),
        ("email", MAIL | {"port": False}, "port"),
        ("email", MAIL | {"security": {}}, "security"),
        ("email", MAIL | {"username": []}, "username"),
        ("email", MAIL | {"password": {}}, "password"),
        ("email", MAIL | {"password": "a\x00b"}, "password"),
        ("email", MAIL | {"ca_certificate": []}, "ca_certificate"),
        ("email", {"host": "mx", "sender": "a@b.org\nBcc: x", "recipients": ["a@b.org"]}, "sender"),
        ("email", {"host": "mx", "sender": "a@b.org", "recipients": ["a\r\n@b.org"]}, "recipients"),
        ("email", {"host": "", "sender": "a@b.org", "recipients": ["a@b.org"]}, "host"),
        (
            "email",
            {
                **{"host": "mx", "sender": "a@b.org", "recipients": ["a@b.org"]},
                **{"username": "u", "password": "p", "security": "none"},
            },
            "security",
        ),
        ("apprise", {"url": "json://localhost/"}, "url"),
        ("apprise", {"url": "dbus://"}, "url"),
        ("apprise", {"url": "file:///etc/passwd"}, "url"),
        ("apprise", {"url": "ntfys://example.org/topic?verify=no"}, "url"),
        ("apprise", {"url": "slack://nonsense"}, "url"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(kind, given, field):
    with pytest.raises(ChannelRefused) as refused:
        channels.clean(kind, given)
    assert refused.value.field == field


def test_what_is_shown_of_a_channel_has_no_secret(certificates, web_server):
    hook = channels.clean("webhook", webhook_settings(web_server, certificates))
    assert channels.shown("webhook", hook) == f"https://{HOST}:{web_server.port}/…"
    login = {"username": "vmrep", "password": "s3cret"}
    config = channels.clean("email", mail_settings(25, certificates, **login))
    assert channels.shown("email", config) == "ops@example.org and 1 more by localhost:25"


def test_the_signature_is_of_this_moment_whatever_the_zone(web_server, certificates):
    """The library takes a time's figures for those of UTC."""
    post(webhook_settings(web_server, certificates))
    signed_at = int(web_server.posted[0].headers["webhook-timestamp"])
    assert abs(signed_at - timezone.now().timestamp()) < 60
