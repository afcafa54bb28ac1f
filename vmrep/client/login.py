"""Which vmrep, and as whom: from the environment, else from the file that `vmrep login` wrote.

Nothing secret is ever an argument: every user of a machine sees those.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vmrep.client.client import Client
from vmrep.client.errors import ClientError

VARIABLES = {
    "VMREP_URL": "the address of vmrep: https://vmrep.example.org",
    "VMREP_TOKEN": "a token (docs/accounts.md#tokens)",
    "VMREP_TOKEN_FILE": "a file that holds it, instead",
    "VMREP_CA_FILE": "certificates of the authority that signed the server's",
    "VMREP_FINGERPRINT": "the SHA-256 of the server's own certificate, instead",
    "VMREP_ALLOW_HTTP": "1: the token may travel unencrypted",
}
LARGEST_FILE = 64 << 10


@dataclass(frozen=True)
class Login:
    url: str
    token: str
    token_id: int | None = None
    ca_file: str | None = None
    fingerprint: str | None = None
    allow_http: bool = False

    def client(self) -> Client:
        return Client(
            self.url,
            self.token,
            ca_file=self.ca_file,
            fingerprint=self.fingerprint,
            allow_http=self.allow_http,
        )


class NoLogin(ClientError):
    """Nobody has said which vmrep, or as whom."""


def file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where `vmrep login` keeps it."""
    base = environment.get("XDG_CONFIG_HOME") or ""
    folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    return folder / "vmrep" / "login.json"


def current(environment: Mapping[str, str] = os.environ) -> Login:
    """Raises NoLogin, or ClientError for one that cannot be used."""
    if not environment.get("VMREP_URL"):
        if environment.get("VMREP_TOKEN") or environment.get("VMREP_TOKEN_FILE"):
            raise NoLogin("There is a token, but no VMREP_URL that says for which vmrep it is.")
        return stored(environment)
    token = environment.get("VMREP_TOKEN") or ""
    path = environment.get("VMREP_TOKEN_FILE")
    if path and token:
        raise ClientError("VMREP_TOKEN and VMREP_TOKEN_FILE are both set: keep one.")
    if path:
        token = _read(Path(path)).strip()
    if not token:
        raise NoLogin("VMREP_URL is set, but neither VMREP_TOKEN_FILE nor VMREP_TOKEN.")
    return Login(
        environment["VMREP_URL"],
        token,
        ca_file=environment.get("VMREP_CA_FILE") or None,
        fingerprint=environment.get("VMREP_FINGERPRINT") or None,
        allow_http=environment.get("VMREP_ALLOW_HTTP", "").lower() in ("1", "true", "yes", "on"),
    )


def stored(environment: Mapping[str, str] = os.environ) -> Login:
    """What `vmrep login` wrote. Raises NoLogin or ClientError."""
    path = file(environment)
    if not path.exists():
        raise NoLogin("Not logged in: run “vmrep login ADDRESS”, or set VMREP_URL and a token.")
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ClientError(f"Others may read {path}: run “chmod 600” on it, or log in again.")
    try:
        found = json.loads(_read(path))
        return Login(**found)
    except (ValueError, TypeError) as problem:
        raise ClientError(f"{path} is not readable as a login; log in again.") from problem


def keep(login: Login, environment: Mapping[str, str] = os.environ) -> Path:
    """For this user alone, whatever the umask."""
    path = file(environment)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".login.{os.getpid()}")
    with suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as written:
        json.dump(asdict(login), written, indent=2)
    beside.replace(path)
    return path


def forget(environment: Mapping[str, str] = os.environ) -> None:
    file(environment).unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        with path.open() as opened:
            return opened.read(LARGEST_FILE)
    except (OSError, UnicodeDecodeError) as problem:
        raise ClientError(f"{path} cannot be read: {problem}") from problem
