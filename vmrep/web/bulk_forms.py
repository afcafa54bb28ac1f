"""Which VMs a bulk action is for, what is asked before it, and in which words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from contexts.clock import about_now, database_now
from contexts.models import VMContext
from contexts.text import plural
from replication.errors import BulkRefused
from replication.filters import ProtectedVMFilter
from replication.models import BulkAction, Policy, Repository
from replication.selectors import protection
from replication.selectors.contexts import contexts_for_list
from replication.services.bulk_acts import Arguments, chosen
from replication.services.pauses import LONGEST_REASON
from replication.states import BulkKind
from vmrep import access
from vmrep.access import Verb
from vmrep.web.forms import DurationField, Styled

NAMED = 10
_WORDS = {
    BulkKind.REPLICATE: "Replicate {}",
    BulkKind.COPY_IN_FULL: "Copy {} in full",
    BulkKind.CANCEL: "Cancel the replications of {}",
    BulkKind.POLICY: "Give a policy to {}",
    BulkKind.REPOSITORY: "Move {} to another repository",
    BulkKind.PAUSE: "Pause {}",
    BulkKind.RESUME: "End the pauses of {}",
    BulkKind.REMOVE: "Remove {} from management",
}


def question(kind: str, count: int) -> str:
    """Pause 12 VMs"""
    return _WORDS[BulkKind(kind)].format(plural(count, "VM"))


def title(action: BulkAction) -> str:
    """Give policy Gold to 12 VMs"""
    vms = plural(action.total, "VM")
    if action.kind == BulkKind.POLICY and not action.subject:
        return f"Take their own policy from {vms}"
    if action.kind == BulkKind.POLICY:
        return f"Give policy {action.subject} to {vms}"
    if action.kind == BulkKind.REPOSITORY:
        return f"Move {vms} to {action.subject}"
    return question(action.kind, action.total)


@dataclass(frozen=True)
class Selection:
    """The VMs of a page: the ticked ones, or (`view`: its query string) all that its filters
    find."""

    context_ids: Sequence[str]
    view: str | None

    @classmethod
    def read(cls, query: QueryDict) -> Selection:
        if query.get("everything"):
            return cls((), query.get("view", ""))
        return cls(list(dict.fromkeys(query.getlist("vm"))), None)

    def rows(self, user: access.User, verb: Verb) -> QuerySet[VMContext]:
        """Raises BulkRefused when a filter of the page says nothing: it would find everything."""
        terms = protection.terms(about_now())
        rows = access.rows(user, verb, contexts_for_list(terms))
        if self.view is None:
            return rows.filter(pk__in=self.context_ids)
        filters = ProtectedVMFilter(
            QueryDict(self.view),
            queryset=rows,
            vcenters=access.vcenters(user),
            groups=access.groups(user),
        )
        if not filters.is_valid():
            raise BulkRefused("A filter of the page is not valid. Choose another one.")
        found: QuerySet[VMContext] = filters.qs
        return found


@dataclass(frozen=True)
class Chosen:
    """The VMs of a selection as they are now: their number, the first, and a digest that is
    another one when they are others."""

    total: int
    first: list[VMContext]
    digest: str

    @classmethod
    def of_rows(cls, rows: QuerySet[VMContext]) -> Chosen:
        """Raises BulkRefused, TooMany."""
        keys = chosen(rows)
        digest = hashlib.blake2s("\n".join(keys).encode(), digest_size=16).hexdigest()
        first = rows.select_related("vcenter").order_by("vm_name", "pk")[:NAMED]
        return cls(len(keys), list(first), digest)

    @property
    def more(self) -> int:
        return self.total - len(self.first)


_FIELDS = {
    BulkKind.POLICY: ("policy",),
    BulkKind.REPOSITORY: ("repository",),
    BulkKind.PAUSE: ("length", "reason"),
}


class BulkForm(Styled, forms.Form):
    """What some kinds need to know; the other fields are left out."""

    policy: forms.ModelChoiceField[Policy] = forms.ModelChoiceField(
        queryset=None,
        required=False,
        empty_label="None of their own",
        error_messages={"invalid_choice": "That policy is no longer there. Choose another one."},
    )
    repository: forms.ModelChoiceField[Repository] = forms.ModelChoiceField(
        queryset=None,
        empty_label="Choose a repository",
        error_messages={
            "required": "Choose the repository that will hold the replicas.",
            "invalid_choice": "That repository is no longer there. Choose another one.",
        },
    )
    length = DurationField(
        label="For how long",
        required=False,
        help_text="Such as 4 h or 2 d. Leave empty to pause until somebody ends it.",
    )
    reason = forms.CharField(required=False, max_length=LONGEST_REASON)

    def __init__(self, data: Any, *, kind: BulkKind, user: access.User) -> None:
        super().__init__(data)
        for name, rows in (
            ("policy", access.policies(user)),
            ("repository", access.repositories(user)),
        ):
            field: Any = self.fields[name]
            field.queryset = rows
        for name in set(self.fields).difference(_FIELDS.get(kind, ())):
            del self.fields[name]

    @property
    def arguments(self) -> Arguments:
        values = self.cleaned_data
        return Arguments(
            policy=values.get("policy"),
            repository=values.get("repository"),
            until=self._until(values.get("length")),
            reason=values.get("reason", ""),
        )

    @staticmethod
    def _until(seconds: int | None) -> datetime | None:
        return database_now() + timedelta(seconds=seconds) if seconds else None
