from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import conformance
from tests.notifications.servers import SECRET, Certificates, MailServer, WebServer
from vmrep.notifications import services
from vmrep.notifications.models import Channel


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: Any) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def _web_server(certificates: Certificates) -> Iterator[WebServer]:
    server = WebServer(certificates.context())
    yield server
    server.close()


@pytest.fixture
def web_server(_web_server: WebServer) -> WebServer:
    from tests.notifications.servers import status

    _web_server.posted.clear()
    _web_server.answer = status(200)
    return _web_server


@pytest.fixture(scope="session")
def _mail_server(certificates: Certificates) -> Iterator[MailServer]:
    server = MailServer(starttls=certificates.context(), tls=None)
    yield server
    server.close()


@pytest.fixture
def mail_server(_mail_server: MailServer) -> MailServer:
    _mail_server.mails.clear()
    _mail_server.recipients.clear()
    _mail_server.refused.clear()
    _mail_server.answer = "250 OK"
    return _mail_server


@pytest.fixture(autouse=True)
def servers_on_this_machine(settings: Any) -> None:
    settings.NOTIFY_PRIVATE = True
    settings.BASE_URL = "https://vmrep.example.org"


@pytest.fixture
def webhook(db: None, web_server: WebServer, certificates: Certificates) -> Iterator[Channel]:
    """A channel with a rule for everything. What it sends must be as the API's schema says."""
    channel = services.add_channel("hook", "webhook", webhook_settings(web_server, certificates))
    services.save_rule(channel, [])
    yield channel
    for posted in web_server.posted:
        conformance.check_message(posted.json)


def webhook_settings(server: WebServer, certificates: Certificates) -> dict[str, object]:
    return {"url": server.url, "secret": SECRET, "ca_certificate": certificates.ca}
