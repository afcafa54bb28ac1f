"""The web server is restarted while people use it: no request is refused, and none is cut off."""

from __future__ import annotations

import http.client
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import environment
from vmrep.local.ports import LOCALHOST

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy/systemd/vmrep-web.service"
RESTARTS = 2
CLIENTS = 4
ENDS_WITHIN_SECONDS = 60.0


def _serve(listener: socket.socket, folder: Path) -> subprocess.Popen[bytes]:
    """As the unit does: the socket is systemd's, and stays when the server ends."""
    (command,) = re.findall(r"^ExecStart=\S+/python (.*)$", UNIT.read_text(), re.MULTILINE)
    return subprocess.Popen(
        [sys.executable, *shlex.split(command), "--bind", f"fd://{listener.fileno()}"],
        pass_fds=[listener.fileno()],
        cwd=ROOT,
        env=environment("redis+socket:///nowhere", folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_requests_during_a_restart_are_answered(tmp_path: Path) -> None:
    with socket.create_server((LOCALHOST, 0), backlog=512) as listener:
        port = listener.getsockname()[1]
        server = _serve(listener, tmp_path)
        answers: list[object] = []
        is_over = threading.Event()

        def use() -> None:
            while not is_over.is_set():
                connection = http.client.HTTPConnection(LOCALHOST, port, timeout=120)
                try:
                    connection.request("GET", "/healthz", headers={"Host": LOCALHOST})
                    answers.append(connection.getresponse().status)
                except (OSError, http.client.HTTPException) as problem:
                    answers.append(repr(problem))
                finally:
                    connection.close()

        clients = [threading.Thread(target=use) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for _ in range(RESTARTS):
                _await_more(answers)
                server.send_signal(signal.SIGTERM)
                assert server.wait(ENDS_WITHIN_SECONDS) == 0
                server = _serve(listener, tmp_path)
            _await_more(answers)
        finally:
            is_over.set()
            for client in clients:
                client.join()
            server.terminate()
            server.wait()
        assert set(answers) == {200}


def _await_more(answers: list[object], count: int = 40) -> None:
    before, deadline = len(answers), time.monotonic() + 120
    while len(answers) < before + count:
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.05)
