"""TLS to a vSphere endpoint: nothing is sent before the certificate is trusted.

pyVmomi's own `thumbprint` is not used: it is compared only when ordinary verification has failed,
so that a pinned estate would accept any certificate of any authority, and it is not used at all
for the first request (pyVmomi 9.1: SoapAdapter._Connect, connect.SmartConnect).
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509

from contexts.vsphere import reach
from contexts.vsphere.budget import Budget
from contexts.vsphere.endpoint import Endpoint, Trust, format_fingerprint
from contexts.vsphere.errors import (
    AddressUnknown,
    CertificateChanged,
    CertificateNotTrusted,
    NotVSphere,
    VSphereError,
)
from contexts.vsphere.faults import translating
from contexts.vsphere.texts import MOST_NAME, cut

if TYPE_CHECKING:
    from typing_extensions import Buffer

# The most bytes in any single answer: a page of 200 VMs with 64 disks each has about 22 MB.
MOST_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate, for an operator to look at. Subject and issuer are hostile text."""

    fingerprint_sha256: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime


def presented_certificate(
    host: str, port: int, timeout: float = 15.0, budget: Budget | None = None
) -> Certificate:
    """The certificate that the server presents now. Nothing is judged, and nothing sent.

    `timeout` (seconds) is for all of it; a `budget` may leave less.

    Raises AddressUnknown, AddressNotAllowed, ConnectionRefused, ConnectionLost, NotVSphere (no TLS
    there).
    """
    endpoint = Endpoint(host, port, "", "", Trust("insecure"))
    connection = VSphereConnection(endpoint, timeout)
    if budget is not None:
        connection.allow(budget)
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
            subject=cut(certificate.subject.rfc4514_string(), MOST_NAME),
            issuer=cut(certificate.issuer.rfc4514_string(), MOST_NAME),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except ValueError as error:
        raise NotVSphere(f"{host}:{port} presents a certificate that cannot be read.") from error


def why_not_trusted(
    host: str, port: int, timeout: float = 15.0, budget: Budget | None = None
) -> str | None:
    """Why this machine's authorities do not vouch for the server, in OpenSSL's words; None when
    they do. Nothing is sent. Raises what connecting raises."""
    connection = VSphereConnection(Endpoint(host, port, "", "", Trust("verify")), timeout)
    if budget is not None:
        connection.allow(budget)
    try:
        with translating(f"Connecting to {host}:{port}"):
            connection.connect()
    except CertificateNotTrusted as refused:
        return refused.reason
    finally:
        connection.close()
    return None


class _BudgetedSocket(ssl.SSLSocket):
    """A TLS socket that charges every operation to a budget, once it has one."""

    budget: Budget | None = None
    patience = 0.0

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        with self._paying():
            count = super().recv_into(buffer, nbytes, flags)
        if self.budget is not None:
            self.budget.spend(count)
        return count

    def send(self, data: Buffer, flags: int = 0) -> int:
        with self._paying():
            return super().send(data, flags)

    @contextmanager
    def _paying(self) -> Iterator[None]:
        if self.budget is None:
            yield
            return
        self.settimeout(min(self.patience, self.budget.remaining()))
        try:
            yield
        except TimeoutError:
            self.budget.remaining()  # says so if it was the budget's time that ran out
            raise


# OpenSSL's words when the two have no version in common, as each side tells it.
_OLD_TLS = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "VERSION_TOO_LOW"}
)


class VSphereConnection(http.client.HTTPSConnection):
    """HTTPS with the endpoint's trust built into `connect`, so that nothing can bypass it, and
    with bounds that hold however the server behaves.

    It is not open yet: it opens with the first request, and again after it was closed.
    It judges the certificate each time. Connecting raises CertificateNotTrusted or
    CertificateChanged before a byte of a request is written, AddressNotAllowed before there is a
    connection, and plain OSError for what the network does.

    `timeout` (seconds) holds for each socket operation. A request with all that belongs to it, from
    connecting to the last byte of the answer, has a budget: the one that `allow` gave for the next
    request, or else `request_seconds` (by default `timeout`) and MOST_BYTES. An answer that is
    compressed is refused: nobody asked for one, and it may be a thousand times what it seems.

    Raises AddressUnknown for what cannot be a host or a port.
    """

    timeout: float

    def __init__(
        self, endpoint: Endpoint, timeout: float, request_seconds: float | None = None
    ) -> None:
        if not 0 < endpoint.port < 65536:
            # The resolver would take it modulo 65536 and reach something else.
            raise AddressUnknown(f"{endpoint.port} is not a port: it must be between 1 and 65535.")
        self._tls = _settings_for(endpoint.trust)
        try:
            # Without a context http.client would make one, with all authorities in it.
            super().__init__(endpoint.host, endpoint.port, timeout=timeout, context=self._tls)
        except http.client.InvalidURL as error:
            raise AddressUnknown(f"{endpoint.host!r} is not a host name or address.") from error
        self._trust = endpoint.trust
        self._request_seconds = request_seconds or timeout
        self._budget: Budget | None = None
        self._next: Budget | None = None

    def allow(self, budget: Budget) -> None:
        """What the next request may cost."""
        self._next = budget

    def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, Any] | None = None,
        *,
        encode_chunked: bool = False,
    ) -> None:
        self._budget = self._next or Budget(self._request_seconds, MOST_BYTES)
        self._next = None
        self._spend_from_budget()
        super().request(method, url, body, headers or {}, encode_chunked=encode_chunked)

    def getresponse(self) -> http.client.HTTPResponse:
        answer = super().getresponse()
        encoding = answer.getheader("Content-Encoding", "identity").lower()
        if encoding != "identity":
            self.close()
            raise NotVSphere(
                f"{self.host}:{self.port} sent a compressed answer ({encoding[:20]!r}) that vmrep"
                " did not request. If a proxy is in between, bypass it."
            )
        return answer

    def connect(self) -> None:
        """TCP, TLS, and the certificate's judgement; closed again when that fails."""
        budget = self._budget = self._budget or self._next or Budget(self.timeout, MOST_BYTES)
        try:
            plain = reach.connect(
                self.host, self.port, lambda: min(self.timeout, budget.remaining())
            )
            plain.settimeout(min(self.timeout, budget.remaining()))
            # One deadline holds for the whole handshake: OpenSSL's loop is under one timeout.
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
            self._spend_from_budget()
            self._judge()
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise self._not_trusted(error) from error
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.close()
            raise
        except ssl.SSLError as error:
            self.close()
            if error.reason in _OLD_TLS:
                raise NotVSphere(
                    f"{self.host}:{self.port} offers no TLS newer than 1.1, which is not safe;"
                    " vmrep needs 1.2. Update the server, or enable TLS 1.2 there (vSphere 6.0 and"
                    " later can do it)."
                ) from error
            raise NotVSphere(
                f"{self.host}:{self.port} and vmrep cannot agree on TLS ({error.reason or error}). "
                "Check that the port is the HTTPS port of a vSphere server."
            ) from error
        except (OSError, VSphereError):
            # http.client keeps the half-open socket, and would send the next request into it.
            self.close()
            raise

    def _spend_from_budget(self) -> None:
        if isinstance(self.sock, _BudgetedSocket):
            self.sock.budget, self.sock.patience = self._budget, self.timeout

    def presented_der(self) -> bytes:
        """The peer's certificate in DER. Raises NotVSphere when it presented none."""
        der = self.sock.getpeercert(binary_form=True) if self.sock else None
        if not der:
            raise NotVSphere(f"{self.host}:{self.port} presents no certificate.")
        return bytes(der)

    def _judge(self) -> None:
        if self._trust.mode != "pin":
            return
        expected, presented = self._trust.fingerprint_sha256, _fingerprint(self.presented_der())
        if expected != presented:
            raise CertificateChanged(
                f"{self.host}:{self.port} no longer presents the confirmed certificate; now it is "
                f"{presented}. If the certificate was renewed, confirm the new one; otherwise "
                "another server is answering. Nothing was sent.",
                expected=expected or "",
                presented=presented,
            )

    def _not_trusted(self, error: ssl.SSLCertVerificationError) -> CertificateNotTrusted:
        try:
            fingerprint = presented_certificate(
                self.host, self.port, self.timeout, self._budget
            ).fingerprint_sha256
        except VSphereError:
            # This only helps the operator; the refusal does not depend on it.
            fingerprint = None
        return CertificateNotTrusted(
            f"The certificate of {self.host}:{self.port} is not trusted: {error.verify_message}. "
            "Install its authority, or confirm the certificate by its fingerprint "
            f"({fingerprint or 'not readable'}). Nothing was sent.",
            fingerprint_sha256=fingerprint,
            reason=error.verify_message,
        )


def _settings_for(trust: Trust) -> ssl.SSLContext:
    if trust.mode == "verify":
        tls = ssl.create_default_context()
        if trust.ca_file:
            _load_authorities(tls, trust.ca_file)
    else:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.set_alpn_protocols(["http/1.1"])
    tls.sslsocket_class = _BudgetedSocket
    return tls


def _load_authorities(tls: ssl.SSLContext, ca_file: str) -> None:
    try:
        tls.load_verify_locations(cafile=ca_file)
    except OSError as error:
        raise CertificateNotTrusted(
            f"The file of certificate authorities {ca_file!r} cannot be used: {error}. "
            "It must be readable and in PEM format. Nothing was sent.",
            fingerprint_sha256=None,
        ) from error


def _fingerprint(der: bytes) -> str:
    return format_fingerprint(hashlib.sha256(der).hexdigest())
