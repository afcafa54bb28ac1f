"""What people fill in about limits. Services have the rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from contexts.models import VCenter
from replication.hours import MINUTES_OF_A_DAY, days_in_words
from replication.models.limits import HIGHEST, LEAST_BYTES_PER_SECOND
from replication.selectors.usage import Use
from replication.services.bandwidth import Window
from replication.services.limits import LONGEST_KEY
from replication.states import LimitKind
from vmrep.web.edits import EditForm, Stored
from vmrep.web.formats import rate
from vmrep.web.forms import Styled

MIB = 1 << 20
DAYS = tuple((str(number), days_in_words(1 << number)) for number in range(7))


class LimitForm(Styled, EditForm):
    """The limit of `use`; without it, of a host or datastore (one of `choices`) to be named."""

    resource = forms.CharField(max_length=LONGEST_KEY)
    limit = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=HIGHEST,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    def __init__(
        self,
        data: Any,
        *,
        kind: LimitKind,
        use: Use | None,
        usual: int,
        choices: list[tuple[str, str]],
        reread: Callable[[], Stored] | None,
    ) -> None:
        own = use.limit if use is not None and use.is_own else None
        super().__init__(data, initial={"limit": own}, reread=reread)
        self.fields["limit"].help_text = f"Leave empty for {usual}, {self._whose(use)}."
        if use is not None:
            del self.fields["resource"]
        elif kind == LimitKind.DATASTORE_SNAPSHOTS:
            select = forms.Select(choices=choices, attrs={"class": "form-select"})
            self.fields["resource"] = forms.CharField(label="Datastore", widget=select)
        else:
            self.fields["resource"].label = "Host"
            self.fields["resource"].help_text = "Its address and port, such as 10.0.0.5:902."

    @staticmethod
    def _whose(use: Use | None) -> str:
        return "vmrep's default" if use is not None and not use.resource else "as for all others"


class WindowForm(Styled, forms.Form):
    """When, and how fast, disks of a vCenter may be read."""

    vcenter: forms.ModelChoiceField[VCenter] = forms.ModelChoiceField(
        queryset=None,
        required=False,
        empty_label="All vCenters without windows of their own",
        label="vCenter",
    )
    mebibytes = forms.DecimalField(
        label="MiB per second",
        max_digits=12,
        decimal_places=3,
        help_text="For all jobs of the vCenter together.",
    )
    days = forms.MultipleChoiceField(
        choices=DAYS,
        initial=[number for number, _ in DAYS],
        error_messages={"required": "Choose at least one day."},
    )
    begin = forms.TimeField(
        initial=time(0), widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )
    end = forms.TimeField(
        initial=time(0),
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        help_text="00:00 is the end of the day. A time before the begin is on the next day.",
    )
    time_zone = forms.CharField(
        max_length=64, initial="UTC", help_text="Such as Europe/Vienna or UTC."
    )

    def __init__(self, data: Any, *, vcenters: Any, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        field: Any = self.fields["vcenter"]
        field.queryset = vcenters

    def clean_mebibytes(self) -> int:
        """In bytes."""
        count = int(self.cleaned_data["mebibytes"] * MIB)
        if count < LEAST_BYTES_PER_SECOND:
            raise ValidationError(f"At least {rate(LEAST_BYTES_PER_SECOND)}.")
        return count

    @property
    def chosen_days(self) -> set[str]:
        return {str(day) for day in self["days"].value() or ()}

    def window(self) -> Window:
        values = self.cleaned_data
        begin, end = (_minute(values[name]) for name in ("begin", "end"))
        days = sum(1 << int(day) for day in values["days"])
        rate_bytes = values["mebibytes"]
        return Window(rate_bytes, days, begin, end or MINUTES_OF_A_DAY, values["time_zone"])


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute
