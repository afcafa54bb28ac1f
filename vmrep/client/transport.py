"""One server, over HTTP: asks it, patiently and within bounds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, quote, urlsplit

import requests

from vmrep import __version__
from vmrep.client.errors import NotReached, Refused
from vmrep.client.generated import WITH_COMMAS
from vmrep.client.trust import (
    CONNECT_SECONDS,
    Pinned,
    Trust,
    checked_address,
    checked_fingerprint,
    presented_fingerprint,
)

Query = Mapping[str, object]

ANSWER_SECONDS = 90.0
"""Between two bytes; the server asks a vCenter for a minute at most."""
LARGEST_ANSWER = 64 << 20
PATIENCE_SECONDS = 60.0
"""For how long a request is sent again, in all."""
FIRST_PAUSE_SECONDS = 0.5
PAGE_SIZE = 500
_FILE = "application/zip"


class _Request(NamedTuple):
    method: str
    path: str
    query: list[tuple[str, str]]
    body: bytes | None
    headers: Mapping[str, str]


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes


class _Token(requests.auth.AuthBase):
    """Set in this way, no password of a ~/.netrc takes its place."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"Token {self._token}"
        return request


class Transport:
    """For one thread at a time. `patience` seconds are spent at most on sending a request again
    that can be sent again: one that only reads, or that has an Idempotency-Key."""

    def __init__(
        self,
        address: str,
        token: str | None,
        trust: Trust,
        *,
        patience: float | None = None,
    ) -> None:
        self.server = checked_address(address, trust)
        self.etag: str | None = None
        self._patience = PATIENCE_SECONDS if patience is None else patience
        self._session = requests.Session()
        self._session.auth = _Token(token)
        self._session.headers["User-Agent"] = f"vmrep-client/{__version__}"
        self._session.headers["Accept"] = "application/json, application/problem+json"
        if trust.fingerprint:
            fingerprint = checked_fingerprint(trust.fingerprint)
            self._session.mount("https://", Pinned(fingerprint))
        # A pinned certificate is compared itself: who signed it does not matter.
        self._verify: bool | str = not trust.fingerprint and (trust.ca_file or True)

    def close(self) -> None:
        self._session.close()

    @staticmethod
    def address(path: str, *values: object) -> str:
        """A path with values in it, whatever characters they have."""
        return path.format(*(quote(str(value), safe="") for value in values))

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        key: str | None = None,
        if_match: str | None = None,
    ) -> object:
        """What the server answers, read from JSON; None without a body; a file as bytes. `key`:
        the Idempotency-Key of an operation that takes one. Raises Refused or NotReached."""
        headers = {}
        if key is not None:
            headers["Idempotency-Key"] = key
        if if_match is not None:
            headers["If-Match"] = if_match
        written = None if body is None else json.dumps(body).encode()
        if written is not None:
            headers["Content-Type"] = "application/json"
        return self._patiently(_Request(method, path, _written(query or {}), written, headers))

    def rows(self, path: str, query: Query) -> Iterator[object]:
        """All rows of a list, page by page, by its cursor."""
        following: object = ""
        while following is not None:
            asked = {"page_size": PAGE_SIZE, **query, "cursor": following}
            page: Any = self.ask("GET", path, query=asked)
            yield from page["results"]
            following = _cursor_of(page["next"])

    def _patiently(self, request: _Request) -> object:
        again = request.method == "GET" or "Idempotency-Key" in request.headers
        until = time.monotonic() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = self._once(request)
            except requests.exceptions.SSLError as problem:
                raise self._untrusted(problem) from problem
            except requests.exceptions.RequestException as problem:
                if not again or time.monotonic() + pause > until:
                    raise NotReached(self._away(problem, request.method, again)) from problem
                wait = pause
            else:
                # 429: it was not even looked at, whatever it is.
                busy = answer.status == 429 or (again and answer.status == 503)
                wait = _retry_after(answer, pause)
                if not busy or time.monotonic() + wait > until:
                    return self._read(answer)
            time.sleep(wait)
            pause *= 2

    def _once(self, request: _Request) -> _Answer:
        with self._session.request(
            request.method,
            f"{self.server}{request.path}",
            params=request.query,
            data=request.body,
            headers=request.headers,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            verify=self._verify,
            allow_redirects=False,  # the token is for this server alone
            stream=True,
        ) as response:
            content = bytearray()
            for part in response.iter_content(1 << 16):
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise NotReached(f"The answer of {self.server} is larger than any of vmrep's.")
            return _Answer(response.status_code, response.headers, bytes(content))

    def _read(self, answer: _Answer) -> object:
        self.etag = answer.headers.get("ETag")
        if 200 <= answer.status < 300 and not answer.content:
            return None
        if answer.status == 200 and answer.headers.get("Content-Type") == _FILE:
            return answer.content
        try:
            found: Any = json.loads(answer.content)
        except ValueError:
            found = None
        if 200 <= answer.status < 300 and found is not None:
            return found
        if answer.status >= 400 and isinstance(found, dict) and "code" in found:
            raise Refused(answer.status, found)
        where = (
            f" It leads to {answer.headers['Location']}." if "Location" in answer.headers else ""
        )
        raise NotReached(
            f"What answers at {self.server} is not vmrep's API (status {answer.status}).{where}"
        )

    def _untrusted(self, problem: Exception) -> NotReached:
        found = presented_fingerprint(self.server)
        shown = f" It shows the certificate with the SHA-256\n{found}\n" if found else "\n"
        return NotReached(
            f"The certificate of {self.server} is not trusted, and nothing was sent.{shown}"
            "If whoever runs vmrep confirms that fingerprint, use it (VMREP_FINGERPRINT, vmrep"
            " login --fingerprint), or their authority's certificate (VMREP_CA_FILE, --ca-file)."
            f" [{_root(problem)}]"
        )

    def _away(self, problem: Exception, method: str, again: bool) -> str:
        unknown = "" if again else f" Whether this {method} was done is not known: look first."
        return f"{self.server} does not answer: {_root(problem)}.{unknown}"


def _root(problem: BaseException) -> BaseException:
    """What the operating system said, below the layers of libraries."""
    seen = problem
    while (inner := _inner(seen)) is not None:
        seen = inner
    return seen


def _inner(problem: BaseException) -> BaseException | None:
    reasons = [getattr(problem, "reason", None), *problem.args, problem.__cause__]
    return next((each for each in reasons if isinstance(each, BaseException)), None)


def _retry_after(answer: _Answer, otherwise: float) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else otherwise


def _cursor_of(following: str | None) -> str | None:
    """From the address of the next page: nothing but the cursor is taken over from it."""
    if following is None:
        return None
    return parse_qs(urlsplit(following).query).get("cursor", [None])[0]


def _written(query: Query) -> list[tuple[str, str]]:
    """As pairs of name and value; None is left out."""
    pairs = []
    for name, value in query.items():
        if value is None:
            continue
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        values: Sequence[object] = cast("Sequence[object]", value) if is_list else (value,)
        texts = [_text(each) for each in values]
        pairs += [(name, text) for text in ([",".join(texts)] if name in WITH_COMMAS else texts)]
    return pairs


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
