"""E-mail, by an SMTP server of the user's."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from vmrep.notifications import reach
from vmrep.notifications.channels.base import Config, Message, given, pem, required, text
from vmrep.notifications.errors import ChannelRefused, NotDelivered

FIELDS = (
    *("host", "port", "security", "username", "password", "sender", "recipients"),
    "ca_certificate",
)
GOES_TO = {"password": ("host", "port", "security", "username", "ca_certificate")}
PORTS = {"starttls": 587, "tls": 465, "none": 25}
MOST_RECIPIENTS = 50
_HOST = re.compile(r"[\w:][\w.:%-]*")  # also names beyond ASCII, and IPv6
_MOST_BYTES = 256 << 10  # of all answers of a server


def clean(settings: Mapping[str, object]) -> Config:
    security = text(settings, "security", "Encryption") or "starttls"
    if security not in PORTS:
        raise ChannelRefused("Encryption is one of starttls, tls and none.", "security")
    port = given(settings, "port")
    if port is None:
        port = PORTS[security]
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65_535:
        raise ChannelRefused("A port is a number from 1 to 65535.", "port")
    username = text(settings, "username", "User name", most=255)
    password = given(settings, "password")
    if password is None:
        password = ""
    if not isinstance(password, str) or len(password) > 1000 or "\0" in password:
        raise ChannelRefused("A password is a text of at most 1000 characters.", "password")
    if username and security == "none":
        raise ChannelRefused("Without encryption, vmrep sends no password.", "security")
    ca = pem(settings)
    reach.require_certificate(ca)
    return {
        "host": _host(settings),
        "port": port,
        "security": security,
        "username": username,
        "password": password,
        "sender": _address(required(settings, "sender", "Sender", most=254), "sender"),
        "recipients": _recipients(settings),
        "ca_certificate": ca,
    }


def _host(settings: Mapping[str, object]) -> str:
    host = required(settings, "host", "Server", most=255)
    if not _HOST.fullmatch(host):
        raise ChannelRefused("A server is a host name or an IP address alone.", "host")
    return host


def _recipients(settings: Mapping[str, object]) -> list[str]:
    many = given(settings, "recipients") or []
    if isinstance(many, str):
        many = many.replace(",", " ").split()
    if not isinstance(many, list) or not all(isinstance(each, str) for each in many):
        raise ChannelRefused("Recipients are a list of addresses.", "recipients")
    if not 1 <= len(many) <= MOST_RECIPIENTS:
        raise ChannelRefused(f"Give 1 to {MOST_RECIPIENTS} recipients.", "recipients")
    return [_address(each, "recipients") for each in many]


def _address(value: str, field: str) -> str:
    try:
        validate_email(value)
    except ValidationError:
        raise ChannelRefused(f"{value} is no e-mail address.", field) from None
    return value


def shown(config: Config) -> str:
    recipients = config["recipients"]
    many = recipients if isinstance(recipients, list) else [str(recipients)]
    others = f" and {len(many) - 1} more" if len(many) > 1 else ""
    return f"{many[0]}{others} by {config['host']}:{config['port']}"


def send(config: Config, message: Message) -> str:
    recipients = config["recipients"]
    to = recipients if isinstance(recipients, list) else [str(recipients)]
    mail = _mail(config, message, to)
    try:
        context = reach.tls(str(config.get("ca_certificate", "")))
        with _connection(config, context) as server:
            if config["security"] == "starttls":
                server.starttls(context=context)
            if config["username"]:
                server.login(str(config["username"]), str(config["password"]))
            refused = server.send_message(mail, str(config["sender"]), to)
    except smtplib.SMTPRecipientsRefused as problem:
        raise NotDelivered(f"No recipient was accepted: {_words(problem.recipients)}") from problem
    except smtplib.SMTPNotSupportedError as problem:
        raise NotDelivered(f"The server does not offer what is needed: {problem}") from problem
    except smtplib.SMTPResponseException as problem:
        said = _decoded(problem.smtp_error)
        raise NotDelivered(f"The server answered {problem.smtp_code}: {said}") from problem
    except ssl.SSLCertVerificationError as problem:
        raise NotDelivered(
            f"The server's certificate is not trusted: {problem.verify_message}"
        ) from problem
    except (smtplib.SMTPException, OSError, UnicodeError, ValueError) as problem:
        raise NotDelivered(f"{type(problem).__name__}: {problem}") from problem
    said = f"Accepted by {config['host']}."
    return f"{said} Not accepted: {_words(refused)}" if refused else said


def _mail(config: Config, message: Message, to: list[str]) -> EmailMessage:
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["Subject"] = message.subject
    mail["From"] = str(config["sender"])
    mail["To"] = ", ".join(to)
    mail["Date"] = format_datetime(message.at)
    # The same however often it is sent: mail programs show one of them.
    mail["Message-ID"] = f"<{message.id}@{str(config['sender']).rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail


def _words(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(
        f"{address}: {code} {_decoded(said)}" for address, (code, said) in refused.items()
    )


def _decoded(said: bytes | str) -> str:
    return said if isinstance(said, str) else said.decode("utf-8", "replace")


def _connection(config: Config, context: ssl.SSLContext) -> smtplib.SMTP:
    host, port = str(config["host"]), int(str(config["port"]))
    name = socket.gethostname()  # smtplib would ask the name server
    if config["security"] == "tls":
        return _GuardedTls(host, port, local_hostname=name, timeout=reach.SECONDS, context=context)
    return _Guarded(host, port, local_hostname=name, timeout=reach.SECONDS)


class _Bounded:
    """A server's answers, of which there may only be so much."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers, self._left = answers, _MOST_BYTES

    def readline(self, most: int = -1) -> bytes:
        line = self._answers.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise NotDelivered("The server says too much.")
        return line

    def close(self) -> None:
        self._answers.close()


class _Guarded(smtplib.SMTP):
    """Connects only to where it may, and reads only so much."""

    file: Any = None

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        return reach.connect((host, port))

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


class _GuardedTls(smtplib.SMTP_SSL, _Guarded):
    """SMTP_SSL wraps what its next class connects."""
