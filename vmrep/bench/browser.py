"""A browser as the web server sees it: a session, full pages, and polls for changes."""

from __future__ import annotations

import http.client
import re
import time
from dataclasses import dataclass, field

_VERSION = re.compile(r'data-version="([^"]*)"')
TIMEOUT_SECONDS = 60


class BadAnswer(Exception):
    """A request for a page got the wrong answer."""


@dataclass
class Browser:
    port: int
    session: str
    version: str = ""
    statuses: dict[int, int] = field(default_factory=dict)
    """How many polls got which status."""

    def open(self, address: str) -> float:
        """Request a full page; returns the seconds that it took. Raises BadAnswer."""
        began = time.perf_counter()
        status, text = self._get(address, {})
        seconds = time.perf_counter() - began
        if status != 200:
            raise BadAnswer(f"{address} was answered with {status}: {text[:300]}")
        self._see(text)
        return seconds

    def poll(self, address: str) -> int:
        """Ask for what has changed since; returns the status of the answer."""
        headers = {"HX-Request": "true", "X-Vmrep-Version": self.version}
        status, text = self._get(address, headers)
        if status == 200:
            self._see(text)
        elif status != 204:
            raise BadAnswer(f"A poll of {address} was answered with {status}: {text[:300]}")
        self.statuses[status] = self.statuses.get(status, 0) + 1
        return status

    def _see(self, text: str) -> None:
        found = _VERSION.search(text)
        self.version = found[1] if found else ""

    def _get(self, address: str, headers: dict[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            cookie = {"Cookie": f"sessionid={self.session}"}
            connection.request("GET", address, headers={**headers, **cookie})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
