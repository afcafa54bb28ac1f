"""Commands that serve a disk over NBD, as the machine's administrator wrote them into a file.

    [vddk]
    command = ["nbdkit", "--foreground", "--unix", "{socket}", "vddk", "file={disk_path}"]
    connections = 1

Each argument is one item of a list: no shell reads it, and nothing in a vCenter's names can become
a further argument. docs/transports.md has recipes.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from contexts.errors import ContextError

PLACEHOLDERS = frozenset(
    (
        *("socket", "password_file"),
        *("server", "port", "user", "thumbprint_sha1", "thumbprint_sha256"),
        *("vm_moref", "snapshot_moref"),
        *("disk_path", "disk_uuid", "device_key", "capacity_bytes"),
    )
)
_PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
MOST_CONNECTIONS = 16


class NbdCommandRefused(ContextError):
    """The file with the commands, or a value for a placeholder, is not acceptable."""

    code = "nbd_command_refused"


@dataclass(frozen=True)
class NbdCommand:
    """One command of the file. `reads_from_host`: each of its connections is a disk session of the
    VM's ESXi host, of which there are few."""

    name: str
    arguments: tuple[str, ...]
    connections: int
    reads_from_host: bool = True

    def filled(self, values: Mapping[str, str]) -> list[str]:
        """The arguments with their placeholders filled in; one stays one, whatever is in it.

        Raises NbdCommandRefused for a value that is unknown, unprintable, or that would turn an
        argument into an option.
        """
        return [self._fill(argument, values) for argument in self.arguments]

    def _fill(self, argument: str, values: Mapping[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            text = values.get(found[1], "")
            if not text or _UNPRINTABLE.search(text):
                raise NbdCommandRefused(
                    f"The command “{self.name}” needs {{{found[1]}}}, which is"
                    f" {'not known' if not text else 'not printable'} here ({text[:80]!r})."
                )
            if found.start() == 0 and text.startswith("-"):
                raise NbdCommandRefused(
                    f"The command “{self.name}” would mistake {text[:80]!r} for an option."
                )
            return text

        return _PLACEHOLDER.sub(value, argument)


def command(name: str) -> NbdCommand:
    """Raises NbdCommandRefused, which says what to put right where."""
    known = _read()
    if name not in known:
        raise NbdCommandRefused(
            f"{settings.NBD_COMMANDS} on this machine has no command “{name}”. Every worker needs"
            " the same file (docs/transports.md)."
        )
    return known[name]


def _read() -> dict[str, NbdCommand]:
    path = Path(settings.NBD_COMMANDS)
    try:
        with path.open("rb") as file:
            # What is in it runs as vmrep's account.
            if stat.S_IMODE(path.stat().st_mode) & 0o022:
                raise NbdCommandRefused(
                    f"Other accounts can write to {path}: chmod go-w {path}, and see who did."
                )
            content = tomllib.load(file)
    except (OSError, ValueError) as problem:
        raise NbdCommandRefused(f"{path} cannot be read: {problem}.") from problem
    return {name: _command(path, name, entry) for name, entry in content.items()}


def _command(path: Path, name: str, entry: Any) -> NbdCommand:
    def refuse(what: str) -> NbdCommandRefused:
        return NbdCommandRefused(f"{path}, [{name}]: {what}.")

    if not _NAME.fullmatch(name) or not isinstance(entry, dict):
        raise refuse("a command is a table named with lower-case letters, digits, - and _")
    if unknown := set(entry) - {"command", "connections", "reads_from_host"}:
        raise refuse(f"unknown key: {', '.join(sorted(unknown))}")
    arguments, connections = entry.get("command"), entry.get("connections", 4)
    if not isinstance(arguments, list) or not arguments:
        raise refuse("command must be a list of arguments, the program first")
    if not all(isinstance(each, str) and each for each in arguments):
        raise refuse("every argument must be text")
    if type(connections) is not int or not 1 <= connections <= MOST_CONNECTIONS:
        raise refuse(f"connections must be a number from 1 to {MOST_CONNECTIONS}")
    reads_from_host = entry.get("reads_from_host", True)
    if type(reads_from_host) is not bool:
        raise refuse("reads_from_host must be true or false")
    used = {found for each in arguments for found in _PLACEHOLDER.findall(each)}
    if unknown := used - PLACEHOLDERS:
        known = ", ".join(sorted(PLACEHOLDERS))
        raise refuse(f"{{{min(unknown)}}} is not a placeholder; the placeholders are {known}")
    if "socket" not in used:
        raise refuse("no argument has {socket}, which says where the command must serve")
    return NbdCommand(name, tuple(arguments), connections, reads_from_host)
