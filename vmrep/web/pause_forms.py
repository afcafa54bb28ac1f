"""What people fill in to pause something."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from contexts.clock import database_now
from contexts.models import VCenter, VMContext
from replication.models import Policy
from replication.services.pauses import LONGEST_REASON
from replication.states import PauseKind
from vmrep.web.forms import DurationField, Styled

LONGEST_SECONDS = 10 * 366 * 86_400


class PauseForm(Styled, forms.Form):
    """What is paused, for how long, and why. `vm`: the one that may be. `all_vms`: whether more
    than single VMs and vCenters can be."""

    kind = forms.ChoiceField(label="What")
    vcenter: forms.ModelChoiceField[VCenter] = forms.ModelChoiceField(
        queryset=None, required=False, label="vCenter", empty_label="Choose one"
    )
    policy: forms.ModelChoiceField[Policy] = forms.ModelChoiceField(
        queryset=None, required=False, empty_label="Choose one"
    )
    length = DurationField(
        label="For how long",
        required=False,
        help_text="Such as 4 h or 2 d. Leave empty to pause until somebody ends it.",
    )
    reason = forms.CharField(required=False, max_length=LONGEST_REASON)

    def __init__(
        self, data: Any, *, vm: VMContext | None, vcenters: Any, policies: Any, all_vms: bool
    ) -> None:
        super().__init__(data, initial={"kind": PauseKind.VM if vm else PauseKind.ALL})
        self.vm = vm
        kinds: Any = self.fields["kind"]
        kinds.choices = [
            (value, f"VM {vm}" if value == PauseKind.VM else label)
            for value, label in PauseKind.choices
            if vm or value != PauseKind.VM
            if all_vms or value not in (PauseKind.ALL, PauseKind.POLICY)
        ]
        for name, rows in (("vcenter", vcenters), ("policy", policies)):
            field: Any = self.fields[name]
            field.queryset = rows

    def clean_length(self) -> int | None:
        seconds: int | None = self.cleaned_data["length"]
        if seconds is not None and not 0 < seconds <= LONGEST_SECONDS:
            raise ValidationError(
                "A pause takes more than nothing and at most ten years. Leave it empty to pause"
                " until somebody ends it."
            )
        return seconds

    @property
    def until(self) -> datetime | None:
        seconds = self.cleaned_data["length"]
        return database_now() + timedelta(seconds=seconds) if seconds else None
