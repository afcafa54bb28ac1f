"""Which policy is the nearest, and what follows for a VM; pure."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unicodedata import normalize

from replication.policies.values import (
    GROUPS,
    REPOSITORY,
    WITHOUT_ANY,
    ScopeRow,
    Value,
    VMFacts,
    says,
)
from replication.states import ScopeKind

# From the nearest to the farthest.
_NEARNESS = {
    ScopeKind.OWN: 0,
    ScopeKind.VM: 1,
    ScopeKind.NAME: 2,
    ScopeKind.FOLDER: 3,
    ScopeKind.VCENTER: 4,
    ScopeKind.INSTALLATION: 5,
}
_WILD = re.compile(r"[*?]")


class Resolved(NamedTuple):
    """`values` by column, complete; `sources` by group: the scope that it comes from, None: no
    policy says it. `policy_id`: the nearest policy with a name that says anything."""

    values: dict[str, Value]
    sources: dict[str, int | None]
    policy_id: int | None
    repository_id: int | None


def in_order(scopes: Iterable[ScopeRow]) -> list[ScopeRow]:
    """The nearest first: of patterns the one with most characters that are no wildcards, of folders
    the deepest."""
    return sorted(scopes, key=_distance)


def _distance(scope: ScopeRow) -> tuple[int, int, int]:
    closeness = len(_WILD.sub("", scope.pattern)) or scope.folder.count("/")
    return _NEARNESS[ScopeKind(scope.kind)], -closeness, scope.id


def resolve(vm: VMFacts, scopes: Sequence[ScopeRow]) -> Resolved:
    """What holds for the VM; `scopes` are `in_order`."""
    values: dict[str, Value] = dict(WITHOUT_ANY)
    sources: dict[str, int | None] = dict.fromkeys(GROUPS)
    policy_id = repository_id = None
    for scope in scopes:
        if not applies(scope, vm):
            continue
        said = False
        for group, columns in GROUPS.items():
            if says(group, scope.values):
                said = True
                if sources[group] is None:
                    sources[group] = scope.id
                    values.update((column, scope.values[column]) for column in columns)
        if repository_id is None and isinstance(chosen := scope.values[REPOSITORY], int):
            repository_id, said = chosen, True
        if said and policy_id is None and scope.policy_name:
            policy_id = scope.policy_id
    return Resolved(values, sources, policy_id, repository_id)


def applies(scope: ScopeRow, vm: VMFacts) -> bool:
    """Whether the VM is one of those that the scope names."""
    match scope.kind:
        case ScopeKind.INSTALLATION:
            return True
        case ScopeKind.VCENTER:
            return scope.vcenter_id == vm.vcenter_id
        case ScopeKind.FOLDER:
            is_below = vm.path.startswith(scope.folder + "/")
            return is_below and scope.vcenter_id == vm.vcenter_id
        case ScopeKind.NAME:
            return bool(vm.name) and matches(scope.pattern, vm.name)
        case _:
            return scope.context_id == vm.context_id


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name matches: `*` stands for any characters, `?` for one. Upper and lower
    case are the same, and so are an accent and its letter written as one character or as two."""
    return _compiled(pattern).fullmatch(_folded(name)) is not None


@functools.lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    # A bracket is one of the name, not of a set of characters.
    return re.compile(fnmatch.translate(_folded(pattern).replace("[", "[[]")))


def _folded(text: str) -> str:
    return normalize("NFC", normalize("NFC", text).casefold())
