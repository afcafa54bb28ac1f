"""Which installation of vmrep uses a repository: a small file beside its marker.

Two databases that know one repository would each take the other's files for left-overs. A copy of
an installation's database has its UUID, too; that one is noticed by the manifests.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import uuid as uuids
from pathlib import Path
from uuid import uuid4

from replication.engine.durable import create_durably, name_durably, rename_durably
from replication.engine.errors import TargetError, target_errors
from replication.engine.regular import open_regular

FILE = ".vmrep-installation"
_LONGEST = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Tenant:
    """An installation: its UUID, and for people the machine on which it took the repository, and
    when (ISO 8601)."""

    installation: str
    machine: str
    since: str

    @property
    def words(self) -> str:
        """For an error: it is text that others may have written."""
        return f"{self.installation} (machine {self.machine[:64]!r}, since {self.since[:32]!r})"


def tenant_of(root: Path) -> Tenant | None:
    """Whose repository the folder is; None if nobody has taken it. Raises TargetError."""
    path = root / FILE
    try:
        with open_regular(path) as file:
            content = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TargetError(f"{path} cannot be read: {error}.") from error
    try:
        if len(content) > _LONGEST:
            raise ValueError("too long")
        said = json.loads(content)
        texts = {name: said[name] for name in ("machine", "since")}
        if not all(isinstance(text, str) for text in texts.values()):
            raise ValueError("no text")
        return Tenant(installation=str(uuids.UUID(said["installation"])), **texts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TargetError(
            f"{path} does not say which installation of vmrep uses the repository. Find out who"
            " changes files there. If only this one uses it, remove that file: vmrep writes it"
            " anew."
        ) from error


def take(root: Path, tenant: Tenant, *, over: bool) -> None:
    """Write whose it is. FileExistsError if somebody took it before, unless it is taken `over`."""
    path = root / FILE
    new = path.with_name(f"{FILE}.{uuid4().hex}.new")
    try:
        create_durably(new, json.dumps(dataclasses.asdict(tenant)).encode() + b"\n")
        (rename_durably if over else name_durably)(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def take_or_see(root: Path, tenant: Tenant, *, over: bool) -> Tenant:
    """Take it if nobody has, or `over`; returns whose it is now. Raises TargetError."""
    if not over and (found := tenant_of(root)):
        return found
    with target_errors(f"writing {root / FILE}"), contextlib.suppress(FileExistsError):
        take(root, tenant, over=over)
    return tenant_of(root) or tenant
