"""Where a vSphere endpoint is, who logs in, and how its certificate is trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

TrustMode = Literal["verify", "pin", "insecure"]


def format_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint in the one form vmrep keeps: 32 upper-case hex pairs with colons.

    Accepts what browsers, openssl and vCenter show (any case; colons, spaces or nothing between,
    a leading "sha256 fingerprint=" or "sha256:"). Raises ValueError for anything else.
    """
    bare = re.sub(r"^\s*sha-?256(\s+fingerprint)?\s*[=:]", "", text, flags=re.IGNORECASE)
    digits = re.sub(r"[\s:]", "", bare).upper()
    if not re.fullmatch(r"[0-9A-F]{64}", digits):
        raise ValueError("A SHA-256 fingerprint has 64 hexadecimal digits.")
    return ":".join(digits[i : i + 2] for i in range(0, 64, 2))


@dataclass(frozen=True, slots=True)
class Trust:
    """How the server's certificate is judged, before anything is sent to it.

    - "verify": signed by an authority of the system's trust store (or of `ca_file`, PEM, in
      addition) for exactly this host name.
    - "pin": the certificate with exactly this SHA-256 fingerprint, whoever signed it and
      whatever its dates say; a renewed certificate has to be confirmed again.
    - "insecure": any certificate. Anyone in between can read the password: only on request.

    Raises ValueError for a mode that does not exist and a pin without a valid fingerprint.
    """

    mode: TrustMode
    fingerprint_sha256: str | None = None
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("verify", "pin", "insecure"):
            raise ValueError(f"There is no trust mode {self.mode!r}.")
        if self.fingerprint_sha256:
            object.__setattr__(
                self, "fingerprint_sha256", format_fingerprint(self.fingerprint_sha256)
            )
        elif self.mode == "pin":
            raise ValueError("Pinning a certificate needs its SHA-256 fingerprint.")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A vCenter Server or a lone ESXi host, with the account that vmrep uses there.

    `host` is a name or an address without port (an IPv6 address without brackets).
    `instance_uuid` is the estate that is expected behind the address (about.instanceUuid); any
    other is refused before the password is sent. `host_uuid` is the hardware UUID of the lone host
    that is expected: which host answers is known only after the login, but a vCenter is refused
    before. Neither: any server, as at the first test of a connection; both: either of them.
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    trust: Trust
    instance_uuid: str | None = None
    host_uuid: str | None = None
