"""What people fill in about groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from contexts.models import VMContext
from replication.services.groups import LONGEST_NAME
from vmrep.web.edits import EditForm
from vmrep.web.forms import Styled, several

LONGEST_VM = 250
MOST_SUGGESTED = 200


class GroupForm(Styled, EditForm):
    name = forms.CharField(max_length=LONGEST_NAME, label="Name")


class MemberForm(Styled, forms.Form):
    """Which VM is added: by its name, or by its context ID where several have the name. `among`:
    those that can be."""

    vm = forms.CharField(max_length=LONGEST_VM, label="VM", help_text="Its name or context ID.")

    def __init__(self, data: Any, *, among: QuerySet[VMContext]) -> None:
        super().__init__(data)
        self._among = among
        self.fields["vm"].widget.attrs.update({"list": "free-vms", "autocomplete": "off"})

    @property
    def suggested(self) -> list[str]:
        names = self._among.exclude(vm_name=None).values_list("vm_name", flat=True)
        return [name for name in names[:MOST_SUGGESTED] if name]

    def clean_vm(self) -> VMContext:
        wanted = self.cleaned_data["vm"]
        found = list(self._among.filter(pk=wanted) or self._among.filter(vm_name=wanted)[:5])
        if not found:
            raise forms.ValidationError(
                "No VM under management that can be added has this name. One that is in a group,"
                " or of another vCenter than the group's VMs, cannot be added."
            )
        if len(found) > 1:
            raise several(each.pk for each in found)
        return found[0]
