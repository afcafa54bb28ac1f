"""What admins fill in about users."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from contexts.models import VCenter
from vmrep.accounts.roles import Role
from vmrep.accounts.users import LONGEST_FOLDER
from vmrep.web.forms import Styled

NO_ROLE = ""
ROLES = (
    (Role.VIEWER, "Viewer: sees everything, changes nothing"),
    (Role.OPERATOR, "Operator: does the daily work: takes, replicates and pauses VMs"),
    (Role.ADMIN, "Admin: also manages vCenters, repositories, policies and users, and deletes"),
    (NO_ROLE, "No role: sees nothing"),
)


class RoleForm(Styled, forms.Form):
    role = forms.ChoiceField(choices=ROLES, required=False)

    def clean_role(self) -> Role | None:
        chosen = self.cleaned_data["role"]
        return Role(chosen) if chosen else None


class PasswordForm(Styled, forms.Form):
    password = forms.CharField(
        strip=False,
        max_length=4096,
        label="Password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = " ".join(password_validators_help_texts())

    def add_problems(self, problem: ValidationError) -> None:
        """Of the user's columns, or of the password."""
        if not hasattr(problem, "error_dict"):
            self.add_error("password", problem)
            return
        for name, errors in problem.error_dict.items():
            self.add_error(name if name in self.fields else None, errors)


class UserForm(PasswordForm, RoleForm):
    """A new user."""

    username = forms.CharField(
        max_length=User._meta.get_field("username").max_length,
        label="Name",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    field_order = ["username", "password", "role"]


class PlaceOfUserForm(Styled, forms.Form):
    """Whose VMs a user is to see."""

    vcenter: forms.ModelChoiceField[VCenter] = forms.ModelChoiceField(
        queryset=None,
        label="vCenter",
        empty_label="Choose a vCenter",
        error_messages={"required": "Choose the vCenter."},
    )
    folder = forms.CharField(
        max_length=LONGEST_FOLDER,
        required=False,
        strip=False,
        help_text="Such as /Datacenter/vm/Production, with all below it. Leave empty for the whole"
        " vCenter.",
        widget=forms.TextInput(attrs={"list": "folders", "autocomplete": "off"}),
    )

    def __init__(self, data: Any = None, *, vcenters: QuerySet[VCenter]) -> None:
        super().__init__(data)
        field: Any = self.fields["vcenter"]
        field.queryset = vcenters
