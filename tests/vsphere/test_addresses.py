"""Addresses as people copy them."""

import pytest

from contexts.vsphere.addresses import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vc.example.com", ("vc.example.com", None)),
        ("  VC.example.com.\n", ("vc.example.com", None)),
        ("vc:8443", ("vc", 8443)),
        ("https://vc.example.com/ui/app/vm;nav=v?x#y", ("vc.example.com", None)),
        ("https://vc.example.com:8443/", ("vc.example.com", 8443)),
        ("HTTPS://VC/sdk", ("vc", None)),
        ("10.0.0.1", ("10.0.0.1", None)),
        ("https://10.0.0.1:443", ("10.0.0.1", 443)),
        ("[::1]", ("::1", None)),
        ("[::1]:8443", ("::1", 8443)),
        ("https://[2001:DB8::0:1]/ui/", ("2001:db8::1", None)),
        ("::1", ("::1", None)),
        ("fe80::1%eth0", ("fe80::1%eth0", None)),
        ("vcenter.müller.example", ("vcenter.xn--mller-kva.example", None)),
        ("vcenter.mu\u0308ller.example", ("vcenter.xn--mller-kva.example", None)),
        ("vc_1.example.com", ("vc_1.example.com", None)),
    ],
)
def test_it_is_understood(text: str, expected: tuple[str, int | None]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "https://",
            "ftp://vc",
            "vc:0",
            "vc:65536",
            "vc:x",
            "admin@vc",
            "v c",
            "[::1",
            "::1]",
        ),
        *("vc..example", "a" * 300, "vc\x00", "vc%2f", "-vc", "[vc]:443x", "vc:999999999999"),
    ],
)
def test_what_is_no_address_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"host name|address|port"):
        parse(text)
