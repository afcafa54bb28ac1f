"""What `manage.py check --deploy` says of an installation's own settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core import checks

from vmrep import audit_log

REDIS = "redis"


@checks.register(REDIS, deploy=True)
def check_redis(**options: Any) -> list[checks.CheckMessage]:
    """A Redis that needs no password obeys every account of every machine that reaches it."""
    if not any(map(_is_open, str(settings.CELERY_BROKER_URL).split(";"))):
        return []
    return [
        checks.Warning(
            "Redis is used over TCP without a password: every account of this machine, and whoever"
            " else reaches its port, can stop the workers.",
            hint="Set a password in Redis (requirepass) and in VMREP_REDIS_URL"
            " (redis://:password@host:6379/0), or use a socket that only vmrep's account can open"
            " (redis+socket:///path).",
            id="vmrep.W001",
        )
    ]


def _is_open(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "sentinel") or parts.password:
        return False
    return "ssl_certfile" not in parse_qs(parts.query)  # a client certificate is a password, too


@checks.register(checks.Tags.security, deploy=True)
def check_hosts(**options: Any) -> list[checks.CheckMessage]:
    """Any host name would be taken for vmrep's: links could be made to lead elsewhere."""
    if not any(host.startswith("*") for host in settings.ALLOWED_HOSTS):
        return []
    return [
        checks.Warning(
            "VMREP_ALLOWED_HOSTS allows every host name: whoever sends one decides where links"
            " lead.",
            hint="Name the hosts under which people and programs reach vmrep.",
            id="vmrep.W022",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_proxies(**options: Any) -> list[checks.CheckMessage]:
    """Behind a proxy that is not named, all clients have one address."""
    if not settings.HTTPS or settings.TRUSTED_PROXIES:
        return []
    return [
        checks.Warning(
            "VMREP_HTTPS says that a proxy is in front of vmrep, and VMREP_TRUSTED_PROXIES names"
            " none: all clients seem to have its address, so failed logins of one of them count"
            " against all.",
            hint='Name the proxy\'s address in VMREP_TRUSTED_PROXIES, or "unix" for one that'
            " connects over a socket.",
            id="vmrep.W020",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_audit_collector(**options: Any) -> list[checks.CheckMessage]:
    """Events reach no collector whose name nobody knows; vmrep goes on without."""
    why = audit_log.why_unknown(settings.AUDIT_SYSLOG)
    if not why:
        return []
    return [
        checks.Warning(
            f"The host of VMREP_AUDIT_SYSLOG ({settings.AUDIT_SYSLOG}) cannot be looked up: {why}."
            " The events of the audit trail do not reach it.",
            hint="Correct the name, or write an IP address.",
            id="vmrep.W023",
        )
    ]
