"""A provider of identities (OpenID Connect), as it describes itself.

It is asked when somebody first logs in by it, and again after an hour: vmrep starts without it.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from contexts.errors import ContextError

TIMEOUT_SECONDS = 10
"""Until it begins to answer, and then for the whole answer."""
KEPT_SECONDS = 3600.0
AWAY_SECONDS = 15.0
"""For so long nobody asks a provider again that did not answer: anybody may come to the page that
asks it, and each would hold a thread of the web server."""
WAIT_SECONDS = 2.0
"""For another thread that asks it."""
LARGEST_ANSWER = 1 << 20
_PART = 1 << 16


class ProviderAway(ContextError):
    """The provider does not answer, or not as one."""

    code = "provider_away"


class Provider(NamedTuple):
    """The addresses that a provider is used by."""

    issuer: str
    authorization: str
    token: str
    userinfo: str
    keys: str


_asking = threading.Lock()
_known: tuple[float, Provider] | None = None
_away: tuple[float, str] | None = None


def known() -> Provider:
    """The provider of VMREP_OIDC_ISSUER. Raises ProviderAway; soon, while another thread asks it,
    and at once when it was away a moment ago."""
    global _known
    kept = _known
    if kept is not None and time.monotonic() - kept[0] <= KEPT_SECONDS:
        return kept[1]
    if not _asking.acquire(timeout=WAIT_SECONDS):
        if kept is not None:
            return kept[1]
        raise ProviderAway("The provider of identities is being asked. Try again in a moment.")
    try:
        if _known is kept:  # no other thread was faster
            _known = (time.monotonic(), _asked(settings.OIDC_ISSUER))
        return _known[1]  # type: ignore[index]
    finally:
        _asking.release()


def signing_keys() -> list[dict[str, Any]]:
    """The public keys with which it signs, as it says now. Raises ProviderAway."""
    keys = _json(known().keys).get("keys")
    if not isinstance(keys, list):
        raise ProviderAway(f"{settings.OIDC_ISSUER} names no keys.")
    of_rsa = [each for each in keys if isinstance(each, dict) and each.get("kty") == "RSA"]
    return [each for each in of_rsa if each.get("use", "sig") == "sig"]


def forget() -> None:
    """Asks it again the next time."""
    global _known, _away
    _known = _away = None


def _asked(issuer: str) -> Provider:
    said = _json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if said.get("issuer") != issuer:
        raise ProviderAway(f"What answers at {issuer} says that it is {said.get('issuer')!r}.")
    names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    addresses = [said.get(name) for name in names]
    secure = issuer.startswith("https://")
    for name, address in zip(names, addresses, strict=True):
        if not isinstance(address, str) or (secure and not address.startswith("https://")):
            raise ProviderAway(f"{issuer} names no address that can be used as its {name}.")
    return Provider(issuer, *map(str, addresses))


def _json(address: str) -> dict[str, Any]:
    body = ask("GET", address).body
    try:
        said: Any = requests.compat.json.loads(body)
    except ValueError as problem:
        raise ProviderAway(f"What answers at {address} is no provider of identities.") from problem
    if not isinstance(said, dict):
        raise ProviderAway(f"What answers at {address} is no provider of identities.")
    return said


class Answer(NamedTuple):
    """`kind`: its Content-Type."""

    kind: str
    body: bytes


def ask(method: str, address: str, **request: Any) -> Answer:
    """One request, of which neither the secret nor the token in it goes on to where an answer might
    lead; `request`: as `requests` takes it. Raises ProviderAway."""
    global _away
    away = _away
    if away is not None and time.monotonic() < away[0]:
        raise ProviderAway(away[1])
    try:
        return _read(method, address, request)
    except (requests.RequestException, HTTPError, OSError) as problem:
        told = f"The provider of identities does not answer: {problem}"
        if not isinstance(problem, requests.HTTPError):
            _away = (time.monotonic() + AWAY_SECONDS, told)
        raise ProviderAway(told) from problem


def _read(method: str, address: str, request: dict[str, Any]) -> Answer:
    headers = {"Accept-Encoding": "identity", **request.get("headers", {})}
    more: dict[str, Any] = {**request, "headers": headers, "allow_redirects": False, "stream": True}
    with requests.request(method, address, timeout=TIMEOUT_SECONDS, **more) as answer:
        until = time.monotonic() + TIMEOUT_SECONDS
        answer.raise_for_status()
        if answer.status_code != requests.codes.ok:
            raise requests.HTTPError(f"{answer.status_code} instead of an answer")
        body = b""
        while part := answer.raw.read1(_PART, decode_content=True):
            body += part
            if len(body) > LARGEST_ANSWER:
                raise requests.HTTPError(f"it has more than {LARGEST_ANSWER:,} bytes")
            if time.monotonic() > until:
                raise requests.Timeout(f"it takes more than {TIMEOUT_SECONDS} seconds")
        return Answer(answer.headers.get("Content-Type", ""), body)
