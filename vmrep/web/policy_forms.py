"""The forms of policies. What can be wanted is checked by the services."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from contexts.models import VCenter
from replication.errors import PolicyRefused
from replication.models import Policy, Repository
from replication.models.policies import KEEP, LARGEST_NUMBER
from replication.policies import calendars, hours
from replication.policies.calendars import LONGEST_EXPRESSION
from replication.policies.checking import Wanted, Window, checked, merged
from replication.policies.services import NAME_LENGTH, Where, wanted_of
from replication.policies.values import UNSAID, Value
from replication.states import (
    PolicyPriority,
    QuiesceWish,
    RetentionKind,
    RPOKind,
    ScopeKind,
)
from vmrep.web.edits import EditForm, Stored
from vmrep.web.forms import DurationField, Styled

OPEN = "Left to a less specific policy"
_MINUTE, _DAY = 60, 86_400
# Where an error of the services is shown, if the form's field has another name.
_SHOWN_AT = {
    "rpo_target_seconds": "target",
    "windows": "hours",
    "latest_start_minutes": "latest_start",
    "give_up_after_minutes": "give_up_after",
    "compare_every_days": "compare_every",
    "verify_every_days": "verify_every",
    "repository_id": "repository",
}


def _choice(label: str, kinds: Any, help_text: str = "") -> forms.ChoiceField:
    choices = [("", OPEN), *kinds.choices]
    return forms.ChoiceField(label=label, choices=choices, required=False, help_text=help_text)


def _number(label: str, help_text: str = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label, min_value=0, max_value=LARGEST_NUMBER, required=False, help_text=help_text
    )


class HoursField(forms.CharField):
    """Lines of hours; its value is windows."""

    def to_python(self, value: Any) -> Any:
        try:
            return hours.parse(super().to_python(value) or "")
        except ValueError as problem:
            raise ValidationError(str(problem)) from problem

    def run_validators(self, value: Any) -> None:
        """Those of a text; the value is none any more."""


class ValuesForm(Styled, EditForm):
    """What is wanted. A field that does not belong to the chosen kind is hidden, and left out."""

    rpo_kind = _choice("When", RPOKind)
    target = DurationField(
        required=False,
        label="Target RPO",
        help_text="How old the newest recovery point may become, such as 15 m, 1 h 30 m or 2 d.",
        widget=forms.TextInput(attrs={"list": "targets"}),
    )
    cron = forms.CharField(
        required=False,
        label="Calendar",
        max_length=LONGEST_EXPRESSION,
        help_text="Minute, hour, day of the month, month, day of the week, such as"
        " 30 2 * * MON-FRI.",
    )
    latest_start = DurationField(
        required=False,
        whole=_MINUTE,
        label="Start at most this late",
        help_text="Leave empty for one hour.",
    )
    time_zone = forms.CharField(
        required=False,
        max_length=64,
        help_text="Such as Europe/Berlin. Leave empty for UTC.",
    )
    hours = HoursField(
        required=False,
        label="Only in these hours",
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One line for each, such as Mon to Fri 22:00 to 06:00. Leave empty for any time.",
    )
    retention_kind = _choice("What is kept", RetentionKind)
    keep_last = _number("Last")
    keep_hourly = _number("Hourly")
    keep_daily = _number("Daily")
    keep_weekly = _number("Weekly")
    keep_monthly = _number("Monthly")
    keep_yearly = _number("Yearly")
    quiesce = _choice("Quiescing", QuiesceWish)
    most_running = _number(
        "Jobs at once", "0 means no limit. Leave empty to let a less specific policy decide."
    )
    give_up_after = DurationField(
        required=False,
        whole=_MINUTE,
        label="Give up after",
        help_text="A scheduled job that has not started by then is cancelled. Leave empty for"
        " never.",
    )
    compare_every = DurationField(
        required=False,
        whole=_DAY,
        label="Compare every disk whole every",
        help_text="In days, such as 7 d; 0 d means never. Leave empty to let a less specific policy"
        " decide.",
    )
    verify_every = DurationField(
        required=False,
        whole=_DAY,
        label="Verify the newest recovery point every",
        help_text="In days; 0 d: never. Empty: left to a less specific policy.",
    )
    priority = _choice("Priority", PolicyPriority)

    def __init__(
        self, data: Any = None, *, initial: Stored, reread: Callable[[], Stored] | None
    ) -> None:
        super().__init__(data, initial=initial, reread=reread)
        typed = str((data or self.initial).get("cron") or "")
        if said := calendars.in_words(" ".join(typed.split())):
            self.fields["cron"].help_text = f"{said}. {self.fields['cron'].help_text}"

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return values
        try:
            self.wanted = checked(merged(Wanted(UNSAID), self.given(), self.windows()))
        except PolicyRefused as problem:
            for field, why in problem.errors.items():
                name = _SHOWN_AT.get(field, field)
                self.add_error(name if name in self.fields else None, why)
        return values

    def given(self) -> dict[str, Value]:
        """All values, as services take them."""
        typed = self.cleaned_data
        said: dict[str, Value] = {**UNSAID}
        said |= {name: typed[name] for name in ("rpo_kind", "retention_kind", "quiesce")}
        said |= {"priority": typed["priority"], "most_running": typed["most_running"]}
        said["give_up_after_minutes"] = _in(typed["give_up_after"], _MINUTE)
        said["compare_every_days"] = _in(typed["compare_every"], _DAY)
        said["verify_every_days"] = _in(typed["verify_every"], _DAY)
        said["time_zone"] = typed["time_zone"] or "UTC"
        if typed["rpo_kind"] == RPOKind.TARGET:
            said["rpo_target_seconds"] = typed["target"]
        if typed["rpo_kind"] == RPOKind.CALENDAR:
            said["cron"] = typed["cron"]
            said["latest_start_minutes"] = _in(typed["latest_start"], _MINUTE)
        if typed["retention_kind"] == RetentionKind.RULES:
            said |= {name: typed[name] for name in KEEP}
        return said

    def windows(self) -> tuple[Window, ...]:
        has_hours = self.cleaned_data["rpo_kind"] in (RPOKind.TARGET, RPOKind.CALENDAR)
        return self.cleaned_data["hours"] if has_hours else ()


class PolicyForm(ValuesForm):
    """A policy. `previewed` is what a preview was shown of: only that is saved."""

    name = forms.CharField(max_length=NAME_LENGTH)
    repository: forms.ModelChoiceField[Repository] = forms.ModelChoiceField(
        queryset=None,
        required=False,
        empty_label=OPEN,
        help_text="For VMs that this policy takes under management, and VMs without a repository.",
    )
    previewed = forms.CharField(required=False, widget=forms.HiddenInput)
    field_order = ["name"]

    def __init__(
        self,
        data: Any = None,
        *,
        among: QuerySet[Repository],
        initial: Stored,
        reread: Callable[[], Stored] | None = None,
    ) -> None:
        super().__init__(data, initial=initial, reread=reread)
        field: Any = self.fields["repository"]
        field.queryset = among

    def given(self) -> dict[str, Value]:
        repository = self.cleaned_data.get("repository")
        return super().given() | {"repository_id": repository.pk if repository else None}

    @property
    def digest(self) -> str:
        """Of what is wanted now."""
        said = (self.cleaned_data["name"], sorted(self.wanted.values.items()), self.wanted.windows)
        return hashlib.blake2s(repr(said).encode(), digest_size=8).hexdigest()

    @property
    def was_previewed(self) -> bool:
        return bool(self.cleaned_data["previewed"] == self.digest)


class PlaceForm(Styled, forms.Form):
    """Where a policy is to apply."""

    kind = forms.ChoiceField(
        label="Where",
        choices=[
            (ScopeKind.FOLDER.value, "A folder and all below it"),
            (ScopeKind.VCENTER.value, "A whole vCenter"),
            (ScopeKind.NAME.value, "VMs by their names"),
        ],
    )
    vcenter: forms.ModelChoiceField[VCenter] = forms.ModelChoiceField(
        queryset=None, required=False, label="vCenter", empty_label="Choose one"
    )
    folder = forms.CharField(
        required=False,
        max_length=4000,
        help_text="Its inventory path, such as /Datacenter/vm/Production.",
        widget=forms.TextInput(attrs={"list": "folders"}),
    )
    pattern = forms.CharField(
        required=False,
        max_length=200,
        label="Names",
        help_text="* stands for any characters and ? for one: db-* finds all that begin with db-.",
    )
    takes_new = forms.BooleanField(
        required=False,
        label="Take VMs under management by itself when a discovery finds them there",
    )

    def __init__(self, data: Any = None, *, among: QuerySet[VCenter]) -> None:
        super().__init__(data)
        field: Any = self.fields["vcenter"]
        field.queryset = among
        self.fields["takes_new"].widget.attrs["class"] = "form-check-input"

    def place(self) -> Where:
        typed = self.cleaned_data
        return Where(
            typed["kind"],
            typed["vcenter"] if typed["kind"] != ScopeKind.NAME else None,
            typed["folder"] if typed["kind"] == ScopeKind.FOLDER else "",
            typed["pattern"] if typed["kind"] == ScopeKind.NAME else "",
            takes_new=typed["takes_new"],
        )


class GivenPolicyForm(forms.Form):
    """The policy that one VM is given; none: the one that it was given is taken from it."""

    policy: forms.ModelChoiceField[Policy] = forms.ModelChoiceField(queryset=None, required=False)

    def __init__(self, data: Any, *, among: QuerySet[Policy]) -> None:
        super().__init__(data)
        field: Any = self.fields["policy"]
        field.queryset = among


def _in(seconds: int | None, unit: int) -> int | None:
    return None if seconds is None else seconds // unit


def initial_of(policy: Policy) -> Stored:
    """What a policy's form is filled in with."""
    named = {"name": policy.name, "repository": policy.repository_id}
    return initial_values(wanted_of(policy)) | named


def initial_values(old: Wanted) -> dict[str, Any]:
    values = old.values
    shown: dict[str, Any] = {name: values[name] for name in UNSAID}
    kind = values["rpo_kind"]
    shown["target"] = values["rpo_target_seconds"] if kind == RPOKind.TARGET else None
    for name, column, unit in (
        ("latest_start", "latest_start_minutes", _MINUTE),
        ("give_up_after", "give_up_after_minutes", _MINUTE),
        ("compare_every", "compare_every_days", _DAY),
        ("verify_every", "verify_every_days", _DAY),
    ):
        number = values[column]
        shown[name] = number * unit if isinstance(number, int) else None
    shown["hours"] = hours.words(old.windows)
    return shown
