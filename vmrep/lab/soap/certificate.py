"""The self-signed certificate of the lab's HTTPS server, made once per folder."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CERTIFICATE_FILE = "certificate.pem"
_KEY_FILE = "certificate.key"
_VALID_DAYS = 3650


def server_context(folder: Path, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """TLS settings with the folder's certificate, which is made if there is none. `newest`: the
    newest version that the server knows, even one that OpenSSL no longer offers by default."""
    if not (folder / CERTIFICATE_FILE).exists():
        _make(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest is not None:
        tls.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that is the point of it
            tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1, newest
    tls.load_cert_chain(folder / CERTIFICATE_FILE, folder / _KEY_FILE)
    return tls


def renew(folder: Path, tls: ssl.SSLContext) -> None:
    """Another certificate, for every handshake from now on."""
    _make(folder)
    tls.load_cert_chain(folder / CERTIFICATE_FILE, folder / _KEY_FILE)


def _make(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "vmrep lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, "localhost"),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("localhost"),
                    *(x509.IPAddress(ipaddress.ip_address(it)) for it in ("127.0.0.1", "::1")),
                ]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(folder / _KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
    # last, because its presence says that both are there
    (folder / CERTIFICATE_FILE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
