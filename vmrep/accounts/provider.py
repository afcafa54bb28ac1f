"""A provider of identities (OpenID Connect), as it describes itself.

It is asked when somebody first logs in by it, and again after an hour: vmrep starts without it.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

import requests
from django.conf import settings

from contexts.errors import ContextError

TIMEOUT_SECONDS = 10
KEPT_SECONDS = 3600.0
LARGEST_ANSWER = 1 << 20


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


_lock = threading.Lock()
_known: tuple[float, Provider] | None = None


def known() -> Provider:
    """The provider of VMREP_OIDC_ISSUER. Raises ProviderAway."""
    global _known
    with _lock:
        if _known is None or time.monotonic() - _known[0] > KEPT_SECONDS:
            _known = (time.monotonic(), _asked(settings.OIDC_ISSUER))
        return _known[1]


def signing_keys() -> list[dict[str, Any]]:
    """The public keys with which it signs, as it says now. Raises ProviderAway."""
    keys = _json(known().keys).get("keys")
    if not isinstance(keys, list):
        raise ProviderAway(f"{settings.OIDC_ISSUER} names no keys.")
    of_rsa = [each for each in keys if isinstance(each, dict) and each.get("kty") == "RSA"]
    return [each for each in of_rsa if each.get("use", "sig") == "sig"]


def forget() -> None:
    """Asks it again the next time."""
    global _known
    with _lock:
        _known = None


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
    try:
        with requests.get(
            address, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
        ) as answer:
            answer.raise_for_status()
            body = answer.raw.read(LARGEST_ANSWER, decode_content=True)
        said: Any = requests.compat.json.loads(body)
    except (requests.RequestException, ValueError) as problem:
        raise ProviderAway(f"The provider of identities does not answer: {problem}") from problem
    if not isinstance(said, dict):
        raise ProviderAway(f"What answers at {address} is no provider of identities.")
    return said
