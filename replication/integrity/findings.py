"""The terms of the integrity check: codes, findings, checks and their scope."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Self

from django.db.models import Exists, OuterRef, QuerySet

from contexts.clock import database_now
from contexts.text import storable
from replication.models import ContextLease
from replication.states import Severity

# A lease that has just expired may belong to a worker that was only delayed.
LEASE_GRACE = timedelta(minutes=2)
# What ended jobs leave is removed within seconds; so much later it is not being removed.
LEFT_OVER_AFTER = timedelta(hours=1)


def in_words(code: str) -> str:
    """A finding's code for people: active_job_of_unmanaged_vm is "Active job of unmanaged VM"."""
    words = re.sub(r"\b(vm|cbt|id)\b", lambda found: found[0].upper(), code.replace("_", " "))
    return words[:1].upper() + words[1:]


@dataclass(frozen=True)
class Finding:
    """One fault. `key` tells whether a second look found the same fault again."""

    code: str
    severity: str
    what: str
    remedy: str
    key: str
    context_id: str = ""
    vm_name: str = ""
    job_id: str = ""
    repairable: bool = False
    repaired: str = ""
    """What was done about it; empty: nothing."""
    image_id: int | None = None
    """The image that it is a damage of."""

    @property
    def subject(self) -> str:
        """Whom it is about, for people; empty when it is about no VM and no job."""
        return self.vm_name or self.context_id or self.job_id


@dataclass(frozen=True)
class Code:
    """A kind of finding. `remedy` is what an operator does about it."""

    name: str
    remedy: str
    severity: Severity = Severity.ERROR
    repairable: bool = False

    def finding(
        self,
        what: str,
        *,
        key: object,
        context_id: str | None = None,
        vm_name: str | None = None,
        job_id: str | None = None,
        remedy: str | None = None,
        repairable: bool | None = None,
        image_id: int | None = None,
    ) -> Finding:
        return Finding(
            code=self.name,
            severity=str(self.severity),
            what=storable(what),
            remedy=self.remedy if remedy is None else remedy,
            key=f"{self.name} {key}",
            context_id=context_id or "",
            vm_name=vm_name or "",
            job_id=job_id or "",
            repairable=self.repairable if repairable is None else repairable,
            image_id=image_id,
        )


@dataclass(frozen=True)
class Scope:
    """How much a check looks at.

    deep: also check every image's tables and digest file; no content is read.
    quiet: nothing else is running, so no grace periods apply.
    context_id: look at this context only (the second look, under its lock).
    on_progress: called again and again while files and vCenters are read, which can take long.
    given_up: by repository key, why a repository that stopped responding was not checked further.
    looked_at: keys of the images with a known damage that were looked at in their repository.
    unconfirmed: keys of images, and what only the first look found of them: the second one found it
    gone, or could not look (a removal had begun, the repository was away).
    """

    deep: bool = False
    quiet: bool = False
    context_id: str | None = None
    now: datetime = field(default_factory=database_now)
    on_progress: Callable[[], None] = lambda: None
    given_up: dict[int, str] = field(default_factory=dict)
    looked_at: set[int] = field(default_factory=set)
    unconfirmed: set[tuple[int, str]] = field(default_factory=set)

    def only(self, context_id: str) -> Self:
        return replace(self, context_id=context_id)

    def within(self, rows: QuerySet[Any], context: str = "vm_context_id") -> QuerySet[Any]:
        """The rows in this scope; `context` is the column with the context's key."""
        if self.context_id is None:
            return rows
        return rows.filter(**{context: self.context_id})

    @property
    def left_over_since(self) -> datetime:
        """Anything that ended before this time should have been cleaned up."""
        return self.now if self.quiet else self.now - LEFT_OVER_AFTER

    def at_rest(
        self, rows: QuerySet[Any], context: str = "vm_context_id", *kinds: str
    ) -> QuerySet[Any]:
        """Rows of contexts without a live lease (of these kinds; none: of any kind)."""
        leases = ContextLease.objects.filter(
            vm_context_id=OuterRef(context),
            expires_at__gt=self.now if self.quiet else self.now - LEASE_GRACE,
        )
        if kinds:
            leases = leases.filter(holder_kind__in=kinds)
        return rows.filter(~Exists(leases))


class SecondLook(Enum):
    """How a finding is confirmed before it is believed."""

    UNDER_LOCK = "with the context's row locked, so that no job starts or ends meanwhile"
    AGAIN = "once more without a lock: files and vCenters may be slow to answer"
    NONE = "not: one statement saw all of it, or the check looks twice itself"


Find = Callable[[Scope], Iterator[Finding]]
Mend = Callable[[Finding], str]


@dataclass(frozen=True)
class Check:
    """A function that finds some codes, and one that repairs them: it runs in the context's locked
    transaction, after the finding was confirmed there, and returns what it did.
    """

    find: Find
    codes: tuple[Code, ...]
    second_look: SecondLook
    mend: Mend | None

    @property
    def name(self) -> str:
        return self.find.__name__


CHECKS: list[Check] = []
CODES: dict[str, Code] = {}


CHECK_BROKE_OFF = Code(
    "check_broke_off",
    "This part was not checked. Correct what the error names, then check again.",
)
CODES[CHECK_BROKE_OFF.name] = CHECK_BROKE_OFF


class RunWasEnded(Exception):
    """The run was ended meanwhile, because its process was silent for too long: no check goes on.
    Raised by `Scope.on_progress`."""


def check(
    *codes: Code, second_look: SecondLook = SecondLook.UNDER_LOCK, mend: Mend | None = None
) -> Callable[[Find], Find]:
    """Register a check with all the codes that it can find."""

    def register(find: Find) -> Find:
        CHECKS.append(Check(find, codes, second_look, mend))
        CODES.update({code.name: code for code in codes})
        return find

    return register


def in_batches(rows: QuerySet[Any], size: int = 500) -> Iterator[list[Any]]:
    """Rows in batches, by key: constant memory, and no cursor stays open while files are read."""
    last = None
    while True:
        piece = rows if last is None else rows.filter(pk__gt=last)
        batch = list(piece.order_by("pk")[:size])
        if batch:
            yield batch
        if len(batch) < size:
            return
        last = batch[-1].pk
