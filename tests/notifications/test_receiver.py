"""The receiver of docs/examples.md believes what vmrep signs, once, and nothing else."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from contexts.clock import database_now
from tests.client.examples import examples
from tests.notifications.servers import SECRET, WebServer, status
from vmrep.local.ports import LOCALHOST, answers, free_port
from vmrep.notifications import channels, message, services
from vmrep.notifications.models import Channel, Delivery

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.any_database,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Its port, and the file in which it prints."""
    ((_, code),) = examples("Receive webhooks")
    (tmp_path / "secret").write_text(SECRET)
    port = free_port()
    printed = tmp_path / "printed"
    with printed.open("w") as out:
        running = subprocess.Popen(
            [sys.executable, "-c", code, str(port)],
            env={"WEBHOOK_SECRET_FILE": str(tmp_path / "secret")},
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not answers(port):
                assert running.poll() is None
                time.sleep(0.02)
            yield port, printed
        finally:
            running.kill()
            running.wait()


def test_the_receiver_of_the_examples(
    webhook: Channel, web_server: WebServer, receiver: tuple[int, Path]
) -> None:
    """Behind a proxy with TLS, as the documentation says."""
    port, printed = receiver
    passed_on: list[int] = []

    def pass_on(handler: BaseHTTPRequestHandler) -> None:
        posted = web_server.posted[-1]
        passed_on.append(_post(port, posted.headers, posted.body))
        status(passed_on[-1])(handler)

    web_server.answer = pass_on
    assert services.test(webhook).answer.startswith("The server answered 204")
    yesterday = (database_now() - timedelta(days=1)).date()
    report = Delivery(channel=webhook, purpose="report", report_day=yesterday)
    told = message.of_delivery(report)
    settings = services.config_of(webhook)
    channels.send("webhook", settings, told, seconds=5)
    channels.send("webhook", settings, told, seconds=5)  # again: it is the same message
    assert printed.read_text().split() == ["vmrep.test", "vmrep.report"]
    last = web_server.posted[-1]
    assert _post(port, last.headers, last.body + b" ") == 401
    assert _post(port, {**last.headers, "webhook-timestamp": "1"}, last.body) == 401
    assert passed_on == [204, 204, 204]


def _post(port: int, headers: dict[str, str], body: bytes) -> int:
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=10)
    try:
        sent = {**headers, "Content-Length": str(len(body))}
        connection.request("POST", "/", body, sent)
        return connection.getresponse().status
    finally:
        connection.close()
