"""What `manage.py check --deploy` says of an installation."""

from __future__ import annotations

import logging

import pytest
from django.core import checks

from vmrep import startup

OPEN = (
    "redis://127.0.0.1:6379/0",
    "redis://vmrep@redis.example.org/0",
    "rediss://redis.example.org",
    "sentinel://:secret@a:26379;sentinel://b:26379",
)
CLOSED = (
    "redis://:secret@127.0.0.1:6379/0",
    "redis+socket:///run/vmrep/redis.sock",
    "rediss://redis.example.org?ssl_certfile=/etc/vmrep/redis.pem",
)


@pytest.mark.parametrize("url", [*OPEN, *CLOSED])
def test_redis_that_needs_no_password_is_told_with_a_remedy(settings, caplog, url: str) -> None:
    settings.CELERY_BROKER_URL = url
    found = [one.id for one in checks.run_checks(include_deployment_checks=True)]
    assert ("vmrep.W001" in found) is (url in OPEN)
    with caplog.at_level(logging.WARNING):
        startup.report_redis()
    assert ("redis+socket:///path" in caplog.text) is (url in OPEN)
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("https", "proxies", "told"),
    [(True, [], True), (True, ["10.0.0.1"], False), (False, [], False)],
)
def test_a_proxy_that_is_not_named_is_told(settings, https, proxies, told):
    settings.HTTPS, settings.TRUSTED_PROXIES = https, proxies
    found = [one.id for one in checks.run_checks(include_deployment_checks=True)]
    assert ("vmrep.W020" in found) is told
