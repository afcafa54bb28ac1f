"""Whoever sends a header says what they like: only named proxies are believed."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from vmrep.client_address import client_address

PROXY, CLIENT, LIE = "10.0.0.1", "192.0.2.7", "203.0.113.9"


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "expected"),
    [
        ([], PROXY, CLIENT, PROXY),
        ([PROXY], CLIENT, LIE, CLIENT),
        ([PROXY], PROXY, CLIENT, CLIENT),
        ([PROXY], PROXY, f"{LIE}, {CLIENT}", CLIENT),
        ([PROXY], PROXY, f"{PROXY}, {CLIENT}", CLIENT),
        (["10.0.0.0/8"], PROXY, f"{LIE}, {CLIENT}, 10.0.0.2", CLIENT),
        ([PROXY], PROXY, "", PROXY),
        ([PROXY], PROXY, "nonsense", PROXY),
        ([PROXY], PROXY, f"{CLIENT}, unknown", PROXY),
        ([PROXY], PROXY, "192.0.2.7:4711", CLIENT),
        ([PROXY], PROXY, "[2001:DB8::1]:4711", "2001:db8::1"),
        ([PROXY], "::ffff:10.0.0.1", CLIENT, CLIENT),
        ([PROXY], PROXY, "::ffff:192.0.2.7", CLIENT),
        (["unix"], "", CLIENT, CLIENT),
        ([], "", CLIENT, None),
        (["unix"], "", "", None),
        (["0.0.0.0/0"], PROXY, ", ".join([CLIENT] * 100), CLIENT),
    ],
)
def test_only_what_named_proxies_wrote_is_believed(settings, trusted, peer, forwarded, expected):
    settings.TRUSTED_PROXIES = trusted
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == expected
