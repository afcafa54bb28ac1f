"""A webhook, signed so that its receiver can tell that it is ours (standardwebhooks.com)."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

from standardwebhooks import Webhook

from vmrep import __version__
from vmrep.notifications import reach
from vmrep.notifications.channels.base import Config, Message, pem, required
from vmrep.notifications.errors import ChannelRefused, NotDelivered

FIELDS = ("url", "secret", "ca_certificate")
GOES_TO = {"url": ("ca_certificate",)}  # the secret only signs
_SHOWN_OF_ANSWER = 500


def clean(settings: Mapping[str, object]) -> Config:
    url = required(settings, "url", "Address", most=2000)
    _require_https(url)
    secret = required(settings, "secret", "Secret", most=200)
    try:
        key = base64.b64decode(secret.removeprefix("whsec_") + "==")
    except ValueError as problem:
        raise ChannelRefused(_SECRET, "secret") from problem
    if not 24 <= len(key) <= 64:
        raise ChannelRefused(_SECRET, "secret")
    ca = pem(settings)
    reach.require_certificate(ca)
    return {"url": url, "secret": secret, "ca_certificate": ca}


_SECRET = "A secret is “whsec_” and 24 to 64 random bytes in base64."  # noqa: S105


def _require_https(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or parts.username or not url.isascii() or " " in url:
        raise ChannelRefused("An address begins with https:// and has no user name in it.", "url")
    return parts


def shown(config: Config) -> str:
    """Without the path, which is often a secret."""
    return f"https://{urlsplit(str(config['url'])).netloc}/…"


def send(config: Config, message: Message) -> str:
    parts = urlsplit(str(config["url"]))
    body = json.dumps(
        {"type": message.type, "timestamp": message.at.isoformat(), "data": message.data}
    )
    context = reach.tls(str(config.get("ca_certificate", "")))
    server = _Guarded(parts.hostname or "", parts.port, context)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        server.request("POST", path, body.encode(), _headers(config, message, body))
        answer = server.getresponse()
        said = answer.read(_SHOWN_OF_ANSWER).decode("utf-8", "replace")
    except ssl.SSLCertVerificationError as problem:
        raise NotDelivered(
            f"The server's certificate is not trusted: {problem.verify_message}"
        ) from problem
    except (http.client.HTTPException, OSError, ValueError) as problem:
        raise NotDelivered(f"{type(problem).__name__}: {problem}") from problem
    finally:
        server.close()
    if 300 <= answer.status < 400:
        raise NotDelivered(
            f"The server answered {answer.status} and named another address: vmrep follows none."
        )
    words = f"The server answered {answer.status} {answer.reason}. {said}".strip()
    if not 200 <= answer.status < 300:
        raise NotDelivered(words)
    return words


class _Guarded(http.client.HTTPSConnection):
    """Connects only to where it may."""

    def __init__(self, host: str, port: int | None, tls: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=reach.SECONDS, context=tls)
        self._tls = tls

    def connect(self) -> None:
        connection = reach.connect((self.host, self.port))
        self.sock = self._tls.wrap_socket(connection, server_hostname=self.host)


def _headers(config: Config, message: Message, body: str) -> dict[str, str]:
    # `sign` takes the time's figures for those of UTC, whatever zone it has.
    now = datetime.now(UTC)
    webhook_id = str(message.id)
    return {
        "Content-Type": "application/json",
        "User-Agent": f"vmrep/{__version__}",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(str(config["secret"])).sign(webhook_id, now, body),
    }
