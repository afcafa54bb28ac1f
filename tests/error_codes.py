"""The codes of errors that docs/api.md has, and those that a request can be refused with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rest_framework import exceptions

from vmrep import access, incoming
from vmrep.accounts import lockout

DOCS = Path(__file__).resolve().parents[1] / "docs" / "api.md"

# What answers in words of its own (vmrep/api/errors.py, vmrep/database_away.py, vmrep/web/views).
SAID = {"invalid", "conflict", "value_refused", "database_unreachable", "internal_error"}
SAID |= {"bad_request", "too_large_number", "unexpected_body", "nul"}
# Of objects that only pages show.
OF_PAGES = {"unknown_disk", "unknown_member", "unknown_session", "unknown_window"}


@cache
def documented() -> frozenset[str]:
    section = DOCS.read_text().partition("\n## Codes")[2].partition("\n## ")[0]
    return frozenset(re.findall(r"`([a-z_]+)`", section))


def of_requests() -> set[str]:
    """What refuses a request before, or instead of, what it asks for."""
    refusals = [*vars(incoming).values(), *vars(lockout).values()]
    said = {each.code for each in refusals if isinstance(each, incoming.Refusal)}
    # Nothing is throttled but logins, and each error says more than that it is one.
    framework = {
        kind.default_code
        for kind in _all(exceptions.APIException)
        if kind is not exceptions.Throttled
    }
    forbidden = {kind.code for kind in (access.Forbidden, *_all(access.Forbidden))}
    unknown = set(re.findall(r'"(unknown_\w+)"', Path(str(access.__file__)).read_text()))
    return SAID | said | framework | forbidden | unknown - OF_PAGES


def _all(base: type[Exception]) -> Iterator[type[Exception]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _all(kind)
