"""What differs between installations: environment variables, in one table.

Instead of any of them, `<NAME>_FILE` may name a file that holds the value, as container engines and
systemd's credentials give secrets: what stands in a file is in no process's environment. The
environment is checked as a whole before anything starts: a misspelt name would otherwise be a
setting that silently has no effect, and `VMREP_HTTPS=ja` would be "off".

`python -m vmrep.environment` prints the table of docs/operations.md.
"""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_network
from pathlib import Path

_FILE = "_FILE"
UNIX_SOCKET = "unix"
"""How a proxy that connects over a Unix socket is named: it has no address."""
FILE_BYTES_MAX = 64 * 1024
# Other programs of this project have variables of their own.
_FOREIGN = (
    *("VMREP_TEST_", "VMREP_CHAOS_"),
    # Of the client (vmrep/client/login.py).
    *("VMREP_URL", "VMREP_TOKEN", "VMREP_CA_FILE", "VMREP_FINGERPRINT", "VMREP_ALLOW_HTTP"),
)
# Django's own measure of a signing key, of which it only warns.
SHORTEST_KEY, FEWEST_DIFFERENT = 50, 5
_BEARER = re.compile(r"[A-Za-z0-9._~+/=-]{32,200}")
_YES = ("1", "true", "on", "yes")
_NO = ("0", "false", "off", "no")


class Kind(Enum):
    TEXT = "text"
    FLAG = "flag"
    NUMBER = "number"
    NETWORKS = "networks"
    ROLES = "roles"
    SIGNING_KEY = "signing key"
    FIELD_KEYS = "field keys"
    BEARER = "bearer token"
    LOG_FORMAT = "log format"
    PROXIES = "proxies"
    """Networks, or `UNIX_SOCKET`."""


class WrongEnvironment(Exception):
    """A variable cannot be used; the message names it, says why, and what to do."""


@dataclass(frozen=True)
class Variable:
    """A variable, its meaning and default for people (Markdown), and what its value must be."""

    name: str
    meaning: str
    default: str
    kind: Kind = Kind.TEXT


VARIABLES = (
    Variable(
        "VMREP_DATA_DIR",
        "where vmrep keeps its own files",
        "`var/` in the project's folder",
    ),
    Variable(
        "DATABASE_URL",
        "`sqlite:////path` or `postgres://user:password@host:5432/name`",
        "SQLite in the data folder",
    ),
    Variable(
        "VMREP_REDIS_URL",
        "`redis://:password@host:6379/0` or `redis+socket:///path`; whoever reaches Redis can stop"
        " workers, so use a password or a socket that only vmrep's account can open (`manage.py"
        " check --deploy` and each worker's log warn otherwise)",
        "`redis://127.0.0.1:6379/0`",
    ),
    Variable(
        "VMREP_ALLOWED_HOSTS",
        "host names that this server answers to, comma separated",
        "this machine only",
    ),
    Variable(
        "VMREP_HTTPS",
        "`1` behind a proxy that speaks HTTPS and sets X-Forwarded-Proto",
        "off",
        Kind.FLAG,
    ),
    Variable(
        "VMREP_TRUSTED_PROXIES",
        "addresses or networks of the proxies in front of vmrep, comma separated; `unix` for one"
        " that connects over a socket. Only they are believed about the address of a client"
        " ([accounts.md](accounts.md#addresses))",
        "none",
        Kind.PROXIES,
    ),
    Variable(
        "VMREP_IDLE_MINUTES",
        "a session ends that nobody has used for so long; pages that refresh themselves do not"
        " count as use ([accounts.md](accounts.md#signing-in))",
        "`480`",
        Kind.NUMBER,
    ),
    Variable(
        "VMREP_OIDC_ISSUER",
        "a provider of identities (OpenID Connect) by which people log in"
        " ([accounts.md](accounts.md#a-provider-of-identities))",
        "none",
    ),
    Variable("VMREP_OIDC_CLIENT_ID", "vmrep's name there", "none"),
    Variable("VMREP_OIDC_CLIENT_SECRET", "vmrep's secret there", "none"),
    Variable("VMREP_OIDC_NAME", "what the login page calls it", "“your organisation”"),
    Variable("VMREP_OIDC_GROUPS_CLAIM", "the claim that has a user's groups", "`groups`"),
    Variable(
        "VMREP_OIDC_ROLES",
        "the role that each group gives: `vmrep-admins=admin,vmrep-ops=operator`",
        "none: roles are given on vmrep's own page",
        Kind.ROLES,
    ),
    Variable(
        "VMREP_AUDIT_LOG",
        "a file to which each event of the audit trail is appended as JSON, one a line"
        " ([audit-trail.md](audit-trail.md))",
        "none",
    ),
    Variable(
        "VMREP_AUDIT_SYSLOG",
        "where each event of the audit trail is sent as syslog (RFC 5424): a socket of this machine"
        " such as `/dev/log`, or `host:port` over UDP",
        "none",
    ),
    Variable(
        "VMREP_SECRET_KEY",
        "signs sessions, and recognises API tokens: another one ends them all",
        "made once, in the data folder",
        Kind.SIGNING_KEY,
    ),
    Variable(
        "VMREP_FIELD_KEYS",
        "encrypt the vCenters' passwords and the channels' settings; comma separated, newest first",
        "made once, in the data folder",
        Kind.FIELD_KEYS,
    ),
    Variable(
        "VMREP_BASE_URL",
        "where people reach vmrep, such as `https://vmrep.example.org`: for the links in"
        " notifications",
        "none: no links",
    ),
    Variable(
        "VMREP_ALLOW_ADDRESSES",
        "addresses or networks, comma separated, to which a vCenter's or ESXi host's name may lead"
        " although they are this machine's own (`127.0.0.1`), link-local, multicast or a cloud's"
        " metadata service ([operations.md](operations.md#where-connections-lead))",
        "none",
        Kind.NETWORKS,
    ),
    Variable(
        "VMREP_NOTIFY_PRIVATE",
        "`1` lets notifications go to this machine itself, such as a mail server on it"
        " ([notifications.md](notifications.md))",
        "off",
        Kind.FLAG,
    ),
    Variable(
        "VMREP_VERIFY_MIB_PER_SECOND",
        "how fast a verification reads ([verify.md](verify.md))",
        "0: as fast as it can",
        Kind.NUMBER,
    ),
    Variable(
        "VMREP_KEEP_JOBS_DAYS",
        "once a day, older ended jobs that nothing needs are deleted (below)",
        "0: never",
        Kind.NUMBER,
    ),
    Variable(
        "VMREP_KEEP_HISTORY_DAYS",
        "once a day, scheduled jobs that ended longer ago are deleted, and the rows of recovery"
        " points that expired longer ago (below)",
        "`90`; 0: never",
        Kind.NUMBER,
    ),
    Variable(
        "VMREP_DISKS_PER_HOST",
        "disk sessions with one ESXi host at once, of all workers together, unless a limit is set"
        " ([limits.md](limits.md))",
        "`8`, since a host has memory for few",
        Kind.NUMBER,
    ),
    Variable(
        "VMREP_SAMPLED_PERCENT_A_DAY",
        "how much of what a disk holds is read in a day besides what change tracking names, to find"
        " out whether it tells the truth ([sync.md](sync.md#when-change-tracking-is-believed))",
        "`1` percent; of each disk 1 MiB a job at least",
        Kind.NUMBER,
    ),
    Variable(
        "VMREP_REPOSITORIES",
        "the repositories that the workers of this machine use, by their names or UUIDs, comma"
        " separated; jobs of others wait for a worker of another machine"
        " ([operations.md](operations.md#several-machines))",
        "all that the machine reaches",
    ),
    Variable(
        "VMREP_NBD_COMMANDS",
        "the file with commands that serve disks over NBD ([transports.md](transports.md))",
        "`nbd-commands.toml` in the data folder",
    ),
    Variable(
        "VMREP_INTEGRITY_MINUTES",
        "how often the integrity check runs; `0`: only on request",
        "`60`",
        Kind.NUMBER,
    ),
    Variable(
        "VMREP_METRICS_TOKEN",
        "with it, and nothing else, Prometheus reads `/metrics` of all VMs"
        " ([monitoring.md](monitoring.md)); 32 characters or more, best in a file",
        "none: users' tokens read it",
        Kind.BEARER,
    ),
    Variable("VMREP_LOG_LEVEL", "`DEBUG`, `INFO`, `WARNING` …", "`INFO`"),
    Variable(
        "VMREP_LOG_FORMAT",
        "`json`: each line of every process's log is an object ([operations.md](#logs))",
        "`text`",
        Kind.LOG_FORMAT,
    ),
    Variable("VMREP_DEBUG", "`1` for Django's debug pages; never in production", "off", Kind.FLAG),
)


def read(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with the content of the files that `<NAME>_FILE` name, without the newline at
    their ends. A variable that is set to nothing counts as not set.

    Raises WrongEnvironment for unknown names that begin with VMREP_, for a name that is set twice,
    for files that cannot be read, and for values that are no flag or number where one is needed.
    """
    read = {name: value for name, value in environment.items() if not _is_ours(name) or value}
    _refuse_unknown(read)
    for variable in VARIABLES:
        file = read.get(variable.name + _FILE)
        if file is not None:
            if variable.name in read:
                raise WrongEnvironment(
                    f"{variable.name} and {variable.name}{_FILE} are both set; unset one of them."
                )
            read[variable.name] = _content(variable.name + _FILE, Path(file))
        if variable.name in read:
            _check(variable, read[variable.name])
    return read


def table() -> Iterator[str]:
    """The table's lines, in Markdown."""
    yield "| variable | meaning | default |"
    yield "|---|---|---|"
    for variable in VARIABLES:
        yield f"| `{variable.name}` | {variable.meaning} | {variable.default} |"


def _is_ours(name: str) -> bool:
    return name.startswith(("VMREP_", "DATABASE_URL")) and not name.startswith(_FOREIGN)


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = [each for variable in VARIABLES for each in (variable.name, variable.name + _FILE)]
    for name in environment:
        if name.startswith("VMREP_") and _is_ours(name) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise WrongEnvironment(
                f"The environment variable {name} is unknown to vmrep.{meant} docs/operations.md "
                "has all of them."
            )


def _content(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        text = content.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not text in UTF-8"
        raise WrongEnvironment(
            f"The file {path}, which {name} names, cannot be read: {why}."
        ) from None
    if not text or len(content) > FILE_BYTES_MAX:
        state = "empty" if not text else f"longer than {FILE_BYTES_MAX} bytes"
        raise WrongEnvironment(f"The file {path}, which {name} names, is {state}.")
    return text


def _check(variable: Variable, value: str) -> None:
    """The value itself is not shown: it may be a secret under a wrong name."""
    if variable.kind is Kind.FLAG and value.lower() not in (*_YES, *_NO):
        raise WrongEnvironment(f"{variable.name} must be 1 or 0, and is neither.")
    if variable.kind is Kind.NUMBER and not (
        value.isascii() and value.isdigit() and len(value) < 10
    ):
        raise WrongEnvironment(f"{variable.name} must be a whole number, 0 or more, and is none.")
    also = (UNIX_SOCKET,) if variable.kind is Kind.PROXIES else ()
    if variable.kind in (Kind.NETWORKS, Kind.PROXIES) and not all(
        each.strip() in also or _is_network(each) for each in value.split(",")
    ):
        raise WrongEnvironment(
            f"{variable.name} must be addresses or networks such as 10.0.0.0/24, comma separated"
            + (f', or "{UNIX_SOCKET}".' if also else ".")
        )
    if variable.kind is Kind.SIGNING_KEY and _is_weak(value):
        raise WrongEnvironment(
            f"{variable.name} must have {SHORTEST_KEY} characters or more, {FEWEST_DIFFERENT} of"
            " them different. Unset it, and vmrep makes one."
        )
    if variable.kind is Kind.LOG_FORMAT and value not in ("text", "json"):
        raise WrongEnvironment(f"{variable.name} must be text or json, and is neither.")
    if variable.kind is Kind.BEARER and not _BEARER.fullmatch(value):
        raise WrongEnvironment(
            f"{variable.name} must be 32 to 200 letters, digits and -._~+/=. Make one with:"
            " openssl rand -hex 32"
        )
    if variable.kind is Kind.FIELD_KEYS and not all(map(_is_field_key, _keys(value))):
        raise WrongEnvironment(
            f"{variable.name} must be keys of 32 random bytes in URL-safe Base64, comma separated."
            " Make one with: python -c 'from cryptography.fernet import Fernet;"
            " print(Fernet.generate_key().decode())'"
        )
    if variable.kind is Kind.ROLES and not all(map(_gives_role, value.split(","))):
        raise WrongEnvironment(
            f"{variable.name} must be groups with their roles, such as vmrep-ops=operator, comma"
            " separated; the roles are viewer, operator and admin."
        )


def _gives_role(text: str) -> bool:
    group, _, role = text.rpartition("=")
    return bool(group.strip()) and role in ("viewer", "operator", "admin")


def _is_weak(key: str) -> bool:
    return len(key) < SHORTEST_KEY or len(set(key)) < FEWEST_DIFFERENT


def _keys(value: str) -> list[str]:
    return [key for key in value.replace("\n", ",").split(",") if key]


def _is_field_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, altchars=b"-_", validate=True)) == 32
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    try:
        ip_network(text.strip(), strict=False)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    import sys

    sys.stdout.write("\n".join(table()) + "\n")
