"""The examples of docs/examples.md that need no worker, against a web server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from replication.models import Pause, ReplicationJob
from tests import factories
from tests.client.examples import Bench, examples

pytestmark = pytest.mark.any_database


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


def test_curl_and_plain_python(live_server: Any, tmp_path: Path) -> None:
    user = factories.user("ops")
    factories.context("web 'n", keep_in=factories.repository("here"))
    bench = Bench(tmp_path, live_server.url, factories.token(user), VM="web 'n")
    listing, pausing, _ = examples("With curl")
    assert bench.run(*listing) == "web 'n: unprotected\n"
    bench.run(*pausing)
    (pause,) = Pause.objects.all()
    assert (pause.reason, pause.ended_by) == ("moves", "ops")
    assert pause.until is not None
    _, plain = examples("With Python")
    printed = bench.run(*plain)
    job = ReplicationJob.objects.get()
    assert f"started: {live_server.url}/api/v1/replications/{job.pk}/" in printed
