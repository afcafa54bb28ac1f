"""What can go wrong between a program and vmrep."""

from __future__ import annotations

from collections.abc import Mapping


class ClientError(Exception):
    """Anything below; the message says what happened and what to do."""


class NotReached(ClientError):
    """No answer of vmrep: the server is away, its certificate is not trusted, or something else
    answers at the address."""


class WaitedTooLong(ClientError):
    """What was waited for goes on, but is not over yet."""


class Refused(ClientError):
    """vmrep refused a request, or failed. `status` is HTTP's, `code` is stable (docs/api.md has all
    codes), `details` is the whole problem (RFC 9457): `errors` by field, `candidates`, …"""

    def __init__(self, status: int, details: Mapping[str, object]) -> None:
        self.status = status
        self.details = dict(details)
        self.code = str(details.get("code") or f"http_{status}")
        self.request_id = details.get("request_id")
        super().__init__(str(details.get("message") or f"vmrep answered with {status}."))
