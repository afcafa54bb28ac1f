"""What people fill in about notifications. What is secret is never filled in for them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from datetime import time
from typing import Any

from django import forms
from django.db.models import QuerySet

from contexts.errors import AmbiguousVM, ContextError, SecretUnreadable
from contexts.models import VCenter, VMContext
from contexts.services.lookup import Among, find_context
from replication.models import Policy
from replication.states import OccurrenceKind
from vmrep.notifications import services
from vmrep.notifications.errors import SecretWanted
from vmrep.notifications.models import Channel, Rule
from vmrep.notifications.services import Habits
from vmrep.notifications.states import ChannelKind
from vmrep.web.edits import UNSHOWN, EditForm
from vmrep.web.forms import Styled, several

_KEPT = "Leave empty to keep the stored value."


class _Time(forms.TimeField):
    widget = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class ChannelForm(Styled, EditForm):
    """What all kinds of channel have; each kind adds its settings."""

    kind: ChannelKind
    # Those whose stored value is not shown: empty means that it stays.
    unshown: tuple[str, ...] = ()

    name = forms.CharField(max_length=100)
    enabled = forms.BooleanField(required=False, initial=True, label="In use")
    quiet_from = _Time(required=False, label="Quiet from")
    quiet_to = _Time(
        required=False,
        label="Quiet until",
        help_text="Messages are held during these hours and sent when they end, as one digest if"
        " there are many. A rule can let urgent ones through.",
    )
    time_zone = forms.CharField(
        max_length=64,
        initial="UTC",
        label="Time zone",
        help_text="Of the quiet hours and the daily report, such as Europe/Berlin.",
    )
    report_at = _Time(
        required=False,
        label="Daily report at",
        help_text="It covers the day before. Leave empty for no report.",
    )
    digest_after = forms.IntegerField(
        min_value=1, max_value=1000, initial=5, label="Messages sent one by one, at most"
    )
    digest_seconds = forms.IntegerField(
        min_value=1,
        max_value=86_400,
        initial=60,
        label="Within (seconds)",
        help_text="If more are waiting, they go out together as one digest.",
    )

    def __init__(
        self,
        data: Any = None,
        *,
        channel: Channel | None = None,
        reread: Callable[[], Channel] | None = None,
    ) -> None:
        self.channel = channel
        super().__init__(
            data,
            initial=_initial(channel, self.unshown) if channel else None,
            reread=(lambda: _initial(reread(), self.unshown)) if reread else None,
        )
        self.fields["enabled"].widget.attrs["class"] = "form-check-input"
        if channel is not None:
            for field in self.unshown:
                self.fields[field].required = False
                self.fields[field].initial = None  # a new one is only for a new channel
                self.fields[field].help_text = _KEPT

    @property
    def kind_label(self) -> str:
        return self.kind.label

    @property
    def settings_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in ChannelForm.base_fields]

    def save(self) -> Channel | None:
        """The saved channel; None when it is refused, which the form then says."""
        values = self.cleaned_data
        habits = Habits(
            enabled=values["enabled"],
            quiet_from_minute=_minute(values["quiet_from"]),
            quiet_to_minute=_minute(values["quiet_to"]),
            time_zone=values["time_zone"],
            digest_after=values["digest_after"],
            digest_seconds=values["digest_seconds"],
            report_at_minute=_minute(values["report_at"]),
        )
        try:
            if self.channel is None:
                return services.add_channel(values["name"], self.kind, self._settings(), habits)
            channel, settings = self.channel, self._settings()
            return self.saved(
                lambda: services.change_channel(
                    channel, name=values["name"], settings=settings, habits=habits
                )
            )
        except ContextError as problem:
            field = getattr(problem, "field", "")
            field = _FIELDS.get(field, field)
            told = self._in_words(problem)
            self.add_error(field if field in self.fields else None, told)
            return None

    def _in_words(self, problem: ContextError) -> str:
        """By the names that the fields have on the page."""
        if not isinstance(problem, SecretWanted):
            return str(problem)
        changed = " and ".join(f"“{self[name].label}”" for name in problem.changed)
        return problem.told(changed, f"“{self[problem.field].label}”")

    def _settings(self) -> dict[str, object]:
        values = {each.name: self.cleaned_data[each.name] for each in self.settings_fields}
        if self.channel is not None:
            return {name: it for name, it in values.items() if it or name not in self.unshown}
        return values


_FIELDS = {
    "quiet_from_minute": "quiet_from",
    "quiet_to_minute": "quiet_to",
    "report_at_minute": "report_at",
}


def _minute(value: time | None) -> int | None:
    return None if value is None else value.hour * 60 + value.minute


def _initial(channel: Channel, unshown: tuple[str, ...]) -> dict[str, object]:
    try:
        known: Mapping[str, object] = services.config_of(channel)
    except SecretUnreadable:
        known = {}
    initial: dict[str, object] = {name: it for name, it in known.items() if name not in unshown}
    initial[UNSHOWN] = {name: str(known.get(name, "")) for name in unshown}
    recipients = known.get("recipients")
    if isinstance(recipients, list):
        initial["recipients"] = " ".join(recipients)
    times = {field: getattr(channel, column) for column, field in _FIELDS.items()}
    return initial | {
        **services.habits_of(channel)._asdict(),
        "name": channel.name,
        **{
            field: None if minute is None else time(minute // 60, minute % 60)
            for field, minute in times.items()
        },
    }


_CERTIFICATE = forms.CharField(
    required=False,
    label="Your own CA",
    widget=forms.Textarea(attrs={"rows": 3}),
    help_text="CA certificates in PEM format that are trusted for this server, besides those that"
    " this machine trusts anyway.",
)


class EmailForm(ChannelForm):
    kind = ChannelKind.EMAIL
    unshown = ("password",)

    recipients = forms.CharField(
        max_length=5000, label="To", help_text="E-mail addresses, separated by spaces or commas."
    )
    sender = forms.CharField(max_length=254, label="From")
    host = forms.CharField(max_length=255, label="Mail server")
    security = forms.ChoiceField(
        choices=(
            ("starttls", "STARTTLS"),
            ("tls", "TLS from the start"),
            ("none", "None (no login)"),
        ),
        label="Encryption",
    )
    port = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=65_535,
        help_text="Leave empty for the usual one: 587 (STARTTLS), 465 (TLS) or 25 (none).",
    )
    username = forms.CharField(required=False, max_length=255, label="User name")
    password = forms.CharField(
        required=False,
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    ca_certificate = _CERTIFICATE


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


class WebhookForm(ChannelForm):
    kind = ChannelKind.WEBHOOK
    unshown = ("url", "secret")

    url = forms.CharField(max_length=2000, label="Address", help_text="It begins with https://.")
    secret = forms.CharField(
        max_length=200,
        initial=_new_secret,
        help_text="The receiver verifies signatures with it. Copy it now: it is not shown again.",
    )
    ca_certificate = _CERTIFICATE


class AppriseForm(ChannelForm):
    kind = ChannelKind.APPRISE
    unshown = ("url",)

    url = forms.CharField(
        max_length=2000,
        label="Address",
        help_text="In apprise’s format, such as slack://… or ntfys://…; its wiki lists all.",
    )


FORMS: dict[str, type[ChannelForm]] = {
    form.kind: form for form in (EmailForm, WebhookForm, AppriseForm)
}


class RuleForm(Styled, EditForm):
    """Of which occurrences a channel tells."""

    channel: forms.ModelChoiceField[Channel] = forms.ModelChoiceField(
        queryset=None, empty_label="Choose one"
    )
    kinds = forms.MultipleChoiceField(
        choices=OccurrenceKind.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Tick none to be told of everything.",
    )
    vcenter: forms.ModelChoiceField[VCenter] = forms.ModelChoiceField(
        queryset=None, required=False, label="Only about this vCenter", empty_label="All"
    )
    policy: forms.ModelChoiceField[Policy] = forms.ModelChoiceField(
        queryset=None,
        required=False,
        label="Only about the VMs of this policy",
        empty_label="All",
        help_text="The VMs for which it is the nearest policy.",
    )
    vm = forms.CharField(
        required=False,
        max_length=1000,
        label="Only about this VM",
        help_text="Its name or context ID.",
    )
    even_when_quiet = forms.BooleanField(required=False, label="Also in quiet hours")
    enabled = forms.BooleanField(required=False, initial=True, label="In use")

    def __init__(
        self,
        data: Any = None,
        *,
        channels: QuerySet[Channel],
        vcenters: QuerySet[VCenter],
        policies: QuerySet[Policy],
        among: Among,
        rule: Rule | None = None,
        reread: Callable[[], Rule] | None = None,
    ) -> None:
        self.rule, self._among = rule, among
        super().__init__(
            data,
            initial=_initial_of_rule(rule) if rule else None,
            reread=(lambda: _initial_of_rule(reread())) if reread else None,
        )
        for name, rows in (
            ("channel", channels),
            ("vcenter", vcenters),
            ("policy", policies),
        ):
            field: Any = self.fields[name]
            field.queryset = rows
        for name in ("even_when_quiet", "enabled", "kinds"):
            self.fields[name].widget.attrs["class"] = "form-check-input"

    def clean_vm(self) -> VMContext | None:
        asked = self.cleaned_data["vm"]
        if not asked:
            return None
        found = self._among.contexts.filter(pk=asked).first()
        try:
            return found or find_context(self._among, vm_name=asked)
        except AmbiguousVM as problem:
            raise several(each["context_id"] for each in problem.candidates) from problem
        except ContextError as problem:
            raise forms.ValidationError(str(problem)) from problem

    def save(self) -> Rule | None:
        values = self.cleaned_data
        try:
            return self.saved(
                lambda: services.save_rule(
                    values["channel"],
                    values["kinds"],
                    rule=self.rule,
                    vcenter=values["vcenter"],
                    policy=values["policy"],
                    vm_context=values["vm"],
                    even_when_quiet=values["even_when_quiet"],
                    enabled=values["enabled"],
                )
            )
        except ContextError as problem:
            field = getattr(problem, "field", "")
            self.add_error(field if field in self.fields else "vm", str(problem))
            return None


def _initial_of_rule(rule: Rule) -> dict[str, object]:
    return {
        "channel": rule.channel_id,
        "kinds": [each.kind for each in rule.kinds.all()],
        "vcenter": rule.vcenter_id,
        "policy": rule.policy_id,
        "vm": rule.vm_context_id or "",
        "even_when_quiet": rule.even_when_quiet,
        "enabled": rule.enabled,
    }
