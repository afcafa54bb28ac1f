"""What people fill in about their own account."""

from __future__ import annotations

from typing import Any

from django import forms

from vmrep.accounts.models import TokenScope
from vmrep.accounts.tokens import LONGEST_NAME
from vmrep.web.forms import Styled

NEVER = "never"
LIFETIMES = (("1", "1 day"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"))


class TokenForm(Styled, forms.Form):
    """A new token. `values()`: as `accounts.tokens.make` takes it."""

    name = forms.CharField(
        max_length=LONGEST_NAME,
        help_text="Of the program that will use it, so that you know later what to revoke.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        choices=TokenScope.choices,
        label="May",
        initial=TokenScope.READ,
        help_text="At most: it never may more than you.",
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
