"""TLS to a vSphere endpoint: nothing is sent before the certificate is believed.

pyVmomi's own `thumbprint` is not used: it is compared only when ordinary verification has failed,
so that a pinned estate would accept any certificate of any authority, and it is not used at all
for the first request (pyVmomi 9.1: SoapAdapter._Connect, connect.SmartConnect).
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from contexts.vsphere.endpoint import Endpoint, Trust, format_fingerprint
from contexts.vsphere.errors import (
    AddressUnknown,
    CertificateChanged,
    CertificateNotTrusted,
    NotVSphere,
    VSphereError,
)
from contexts.vsphere.faults import translating


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate, for an operator to look at. Subject and issuer are hostile text."""

    fingerprint_sha256: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime


def presented_certificate(host: str, port: int, timeout: float = 15.0) -> Certificate:
    """The certificate that the server presents now. Nothing is judged, and nothing sent.

    Raises AddressUnknown, ConnectionRefused, ConnectionLost, NotVSphere (no TLS there).
    """
    endpoint = Endpoint(host, port, "", "", Trust("insecure"))
    connection = VSphereConnection(endpoint, timeout)
    with translating(f"Asking {host}:{port} for its certificate"):
        try:
            connection.connect()
            der = connection.presented_der()
        finally:
            connection.close()
    try:
        certificate = x509.load_der_x509_certificate(der)
        return Certificate(
            fingerprint_sha256=_fingerprint(der),
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except ValueError as error:
        raise NotVSphere(f"{host}:{port} presents a certificate that cannot be read.") from error


def why_not_trusted(host: str, port: int, timeout: float = 15.0) -> str | None:
    """Why this machine's authorities do not vouch for the server, in OpenSSL's words; None when
    they do. Nothing is sent. Raises what connecting raises."""
    connection = VSphereConnection(Endpoint(host, port, "", "", Trust("verify")), timeout)
    try:
        with translating(f"Connecting to {host}:{port}"):
            connection.connect()
    except CertificateNotTrusted as refused:
        return refused.reason
    finally:
        connection.close()
    return None


def https_connection(endpoint: Endpoint, timeout: float) -> http.client.HTTPSConnection:
    """A connection, not yet opened, that judges the certificate each time it connects.

    It opens by itself with the first request, and again after it was closed. Connecting raises
    CertificateNotTrusted or CertificateChanged before a byte of a request is written, and plain
    OSError for what the network does. `timeout` (seconds) holds for each socket operation.
    """
    return VSphereConnection(endpoint, timeout)


class VSphereConnection(http.client.HTTPSConnection):
    """HTTPS with the endpoint's trust built into `connect`, so that no way leads around it.

    Raises AddressUnknown for what cannot be a host or a port.
    """

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        if not 0 < endpoint.port < 65536:
            # The resolver would take it modulo 65536 and reach something else.
            raise AddressUnknown(f"{endpoint.port} is no port: it must be between 1 and 65535.")
        try:
            super().__init__(
                endpoint.host, endpoint.port, timeout=timeout, context=_context(endpoint.trust)
            )
        except http.client.InvalidURL as error:
            raise AddressUnknown(f"{endpoint.host!r} is no host name or address.") from error
        self._trust = endpoint.trust

    def connect(self) -> None:
        """TCP, TLS, and the certificate's judgement; closed again when that fails."""
        try:
            super().connect()
            self._judge()
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise self._not_trusted(error) from error
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.close()
            raise
        except ssl.SSLError as error:
            self.close()
            raise NotVSphere(
                f"{self.host}:{self.port} does not agree on TLS ({error.reason or error}). Check "
                "that the port is the HTTPS port of a vSphere server."
            ) from error
        except (OSError, VSphereError):
            # http.client keeps the half-made socket, and would send the next request into it.
            self.close()
            raise

    def presented_der(self) -> bytes:
        """The peer's certificate in DER. Raises NotVSphere when it presented none."""
        der = self.sock.getpeercert(binary_form=True)
        if not der:
            raise NotVSphere(f"{self.host}:{self.port} presents no certificate.")
        return bytes(der)

    def _judge(self) -> None:
        if self._trust.mode != "pin":
            return
        expected, presented = self._trust.fingerprint_sha256, _fingerprint(self.presented_der())
        if expected != presented:
            raise CertificateChanged(
                f"{self.host}:{self.port} presents another certificate than the one that was "
                f"confirmed: now {presented}. If it was renewed, confirm the new one; if not, "
                "somebody else answers. Nothing was sent.",
                expected=expected or "",
                presented=presented,
            )

    def _not_trusted(self, error: ssl.SSLCertVerificationError) -> CertificateNotTrusted:
        try:
            fingerprint = presented_certificate(self.host, self.port).fingerprint_sha256
        except VSphereError:
            # Only for the operator's comfort; the refusal itself stands without it.
            fingerprint = None
        return CertificateNotTrusted(
            f"The certificate of {self.host}:{self.port} is not trusted: {error.verify_message}. "
            "Install its authority, or confirm the certificate by its fingerprint "
            f"({fingerprint or 'not readable'}). Nothing was sent.",
            fingerprint_sha256=fingerprint,
            reason=error.verify_message,
        )


def _context(trust: Trust) -> ssl.SSLContext:
    if trust.mode == "verify":
        context = ssl.create_default_context()
        if trust.ca_file:
            _load_authorities(context, trust.ca_file)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load_authorities(context: ssl.SSLContext, ca_file: str) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        raise CertificateNotTrusted(
            f"The file of certificate authorities {ca_file!r} cannot be used: {error}. "
            "It must be readable and in PEM format. Nothing was sent.",
            fingerprint_sha256=None,
        ) from error


def _fingerprint(der: bytes) -> str:
    return format_fingerprint(hashlib.sha256(der).hexdigest())
