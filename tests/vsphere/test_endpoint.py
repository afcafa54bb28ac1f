from __future__ import annotations

import pytest

from contexts.vsphere.endpoint import Endpoint, Trust, format_fingerprint

BARE = "0123456789abcdef" * 4
KEPT = ":".join(["01", "23", "45", "67", "89", "AB", "CD", "EF"] * 4)


@pytest.mark.parametrize(
    "text",
    [
        BARE,
        BARE.upper(),
        KEPT,
        KEPT.lower(),
        KEPT.replace(":", " "),
        f" {KEPT}\n",
        f"sha256 Fingerprint={KEPT}",
        f"SHA-256: {BARE}",
    ],
)
def test_a_fingerprint_in_any_form_becomes_the_one_that_is_kept(text: str) -> None:
    assert format_fingerprint(text) == KEPT
    assert Trust("pin", text) == Trust("pin", KEPT)


@pytest.mark.parametrize("text", ["", "zz" * 32, BARE[:-1], BARE + "0", BARE[:40]])
def test_what_is_no_sha256_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        format_fingerprint(text)


def test_a_pin_needs_its_fingerprint() -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        Trust("pin")


def test_an_unknown_trust_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="no trust mode"):
        Trust("none")


def test_the_password_is_not_in_the_text_of_an_endpoint() -> None:
    endpoint = Endpoint("vc.example.com", 443, "admin", "s3cret!", Trust("verify"))
    assert "s3cret!" not in f"{endpoint!r} {endpoint}"
