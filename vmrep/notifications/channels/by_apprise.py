"""Chat and push services that apprise reaches: only such as are spoken to over HTTPS."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import apprise
import urllib3.util.connection

from vmrep.notifications import reach
from vmrep.notifications.channels.base import Config, Message, required
from vmrep.notifications.errors import ChannelRefused, NotDelivered

# Its connections go where they may, and only there; those of others who use urllib3, such as those
# to a provider of identities, go where they went before.
_connect_anywhere = urllib3.util.connection.create_connection


def _connect(address: tuple[str, int], *given: Any, **named: Any) -> socket.socket:
    if reach.is_sending():
        return reach.connect(address)
    return _connect_anywhere(address, *given, **named)


urllib3.util.connection.create_connection = _connect
# What it logs may have parts of an address, which is a secret.
logging.getLogger("apprise").propagate = False

FIELDS = ("url",)
GOES_TO: Mapping[str, Sequence[str]] = {}  # the address is all there is
_MOST_LINES = 20

# Not local programs (dbus, syslog, …), not e-mail, and nothing without encryption.
SERVICES = frozenset(
    {
        *("barks", "clicksend", "dingtalk", "discord", "feishu", "gchat", "gotifys", "hassios"),
        *("ifttt", "join", "line", "matrixs", "mmosts", "nctalks"),
        *("ntfys", "opsgenie", "pagerduty", "pagertree", "pbul", "pover", "prowl", "rockets"),
        *("signals", "simplepush", "slack", "splunk", "tgram", "threema", "twilio", "victorops"),
        *("vonage", "wecombot", "whatsapp", "workflows", "wxteams", "zulip"),
    }
)


class _Said(logging.Handler):
    """What apprise logs in this thread: why a service did not take a message."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and len(self.lines) < _MOST_LINES:
            self.lines.append(record.getMessage())


def _service(url: str) -> apprise.NotifyBase:
    """The service that the address means. Raises ChannelRefused."""
    schema = url.partition("://")[0].lower()
    if schema not in SERVICES:
        raise ChannelRefused(
            f"vmrep does not send to “{schema[:20]}”. Use one of: {', '.join(sorted(SERVICES))}.",
            "url",
        )
    asset = apprise.AppriseAsset(
        async_mode=False,
        secure_logging=True,
        plugin_paths=[],
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        allow_templates=False,
        http_redirects=False,  # the next address would get what the service's own is to get
        app_id="vmrep",
        app_desc="vmrep",
    )
    service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        raise ChannelRefused("apprise does not understand this address. See its wiki.", "url")
    if not service.verify_certificate:
        raise ChannelRefused("Leave certificates verified: remove “verify” from it.", "url")
    if service.redirects:
        raise ChannelRefused("vmrep follows no redirects: remove “redirect” from it.", "url")
    return service


def clean(settings: Mapping[str, object]) -> Config:
    url = required(settings, "url", "Address", most=2000)
    _service(url)
    return {"url": url}


def shown(config: Config) -> str:
    return f"{str(config['url']).partition('://')[0].lower()}://…"


def send(config: Config, message: Message) -> str:
    url = str(config["url"])
    try:
        service = _service(url)
    except ChannelRefused as problem:
        raise NotDelivered(str(problem)) from problem
    said, logger = _Said(), logging.getLogger("apprise")
    logger.addHandler(said)
    try:
        taken = service.notify(body=message.text, title=message.subject, body_format="text")
    except (OSError, TypeError, ValueError) as problem:
        why = _without_secrets(f"{type(problem).__name__}: {problem}", url)
        raise NotDelivered(why) from problem
    finally:
        logger.removeHandler(said)
    words = _without_secrets("\n".join(said.lines), url)
    if not taken:
        raise NotDelivered(words or "The service did not take it.")
    return words or "The service took it."


def _without_secrets(said: str, url: str) -> str:
    for part in re.split(r"[/:?@&=#]+", url.partition("://")[2]):
        if len(part) >= 5:
            said = said.replace(part, "…")
    return said
