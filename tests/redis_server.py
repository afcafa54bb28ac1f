"""Private, empty Redis servers on unix sockets."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_redis() -> Iterator[str]:
    """Its address, as VMREP_REDIS_URL wants it."""
    with tempfile.TemporaryDirectory(prefix="vmrep-test-") as folder:
        socket = Path(folder) / "socket"
        server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", folder, "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        try:
            while not socket.exists():
                assert server.poll() is None, "redis-server did not start"
                time.sleep(0.02)
            yield f"redis+socket://{socket}"
        finally:
            server.terminate()
            server.wait()
