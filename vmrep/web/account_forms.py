"""What people fill in about their own account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.contrib.auth.forms import PasswordChangeForm as _PasswordChangeForm

from vmrep.accounts import first_user
from vmrep.accounts.models import TokenScope
from vmrep.accounts.tokens import LONGEST_NAME
from vmrep.web.forms import Styled

NEVER = "never"
LIFETIMES = (("1", "1 day"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"))


class TokenForm(Styled, forms.Form):
    """A new token. `values()`: as `accounts.tokens.make` takes it."""

    name = forms.CharField(
        max_length=LONGEST_NAME,
        help_text="Name the program that will use it, so that you know later what to revoke.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        choices=TokenScope.choices,
        label="Scope",
        initial=TokenScope.READ,
        help_text="A token never has more rights than you.",
    )
    lifetime = forms.ChoiceField(
        choices=(*LIFETIMES, (NEVER, "Never")), label="Expires after", initial="90"
    )

    def values(self) -> dict[str, Any]:
        lifetime = self.cleaned_data["lifetime"]
        return {
            "name": self.cleaned_data["name"],
            "scope": TokenScope(self.cleaned_data["scope"]),
            "days": None if lifetime == NEVER else int(lifetime),
        }


class PasswordChangeForm(Styled, _PasswordChangeForm):
    """`revoke_tokens`: whether the user's API tokens end, too. `is_own` tells whether a password is
    the user's."""

    revoke_tokens = forms.BooleanField(
        required=False, initial=True, label="Revoke my API tokens, too"
    )

    def __init__(self, *args: Any, is_own: Callable[[str], bool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_own = is_own
        self.fields["revoke_tokens"].widget.attrs["class"] = "form-check-input"

    def clean_old_password(self) -> str:
        given: str = self.cleaned_data["old_password"]
        if not self._is_own(given):
            raise forms.ValidationError("That is not your password.")
        return given


class ConfirmForm(Styled, forms.Form):
    """The password of somebody who is logged in."""

    password = forms.CharField(
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )


class FirstUserForm(Styled, forms.Form):
    """The first user. Whoever fills it in shows the set-up code."""

    code = forms.CharField(
        max_length=100,
        label="Set-up code",
        help_text="vmrep's server printed it when it started; “manage.py first_user --code” prints"
        " it again.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    username = forms.CharField(max_length=150, label="User name", initial="admin")
    password1 = forms.CharField(
        max_length=4096,
        strip=False,
        label="Password",
        help_text=password_validation.password_validators_help_text_html(),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password2 = forms.CharField(
        max_length=4096,
        strip=False,
        label="Repeat the password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if not first_user.is_code(code):
            raise forms.ValidationError("This is not the set-up code of this installation.")
        return code

    def clean(self) -> dict[str, Any] | None:
        values = super().clean() or {}
        if values.get("password1") != values.get("password2"):
            self.add_error("password2", "The two passwords differ.")
        return values
