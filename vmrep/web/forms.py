"""What people fill in. Services have the rules; a form only says what is missing or malformed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet

from contexts.error_fields import field_of
from contexts.errors import ContextError, ServersBusy
from contexts.models import DiscoveredVM, VCenter
from contexts.selectors import is_vcenter_name_taken
from contexts.services import vcenters
from contexts.states import TransportKind, TrustMode
from contexts.vsphere.endpoint import format_fingerprint
from contexts.vsphere.errors import (
    CertificateChanged,
    CertificateNotTrusted,
    OtherEstate,
    VSphereError,
)
from replication.models import Repository
from replication.policies import durations
from replication.policies.choices import TARGET_WORDS
from replication.retention.choose import Rules
from vmrep.web.edits import UNSHOWN, EditForm, Stored


class Styled:
    """Gives each widget the classes of the style sheet."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if is_select else "form-control"


def several(context_ids: Iterable[str]) -> ValidationError:
    """What is said when a name that somebody typed is that of more than one VM."""
    keys = ", ".join(context_ids)
    return ValidationError(f"Several VMs have this name. Name one of them: {keys}.")


class LoginForm(Styled, AuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:  # after a failure the name is still filled in, and the password is not
            self.fields["username"].widget.attrs.pop("autofocus", None)
            self.fields["password"].widget.attrs["autofocus"] = True


class DurationField(forms.CharField):
    """A duration as people write it: 15 m, 1h30, 2 days. Its value is seconds, None when empty.
    `whole`: it must be a multiple of so many."""

    def __init__(self, *, whole: int = 1, **kwargs: Any) -> None:
        self.whole = whole
        super().__init__(max_length=durations.LONGEST_TEXT, **kwargs)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            seconds = durations.parse(text)
        except ValueError as problem:
            raise ValidationError(str(problem)) from problem
        if seconds % self.whole:
            unit = durations.words(self.whole)
            raise ValidationError(f"It must be a multiple of {unit}: {text} is none.")
        return seconds

    def validate(self, value: Any) -> None:
        """Empty is allowed, unless it is required; the length is checked before it is read."""
        forms.Field.validate(self, value)

    def run_validators(self, value: Any) -> None:
        """Those of a text; the value is none any more."""

    def prepare_value(self, value: Any) -> Any:
        return durations.words(value) if isinstance(value, int) else value


RPO_TARGETS = (
    ("", "RPO target: as the policies say"),
    *((words, f"RPO target: {words}") for words in TARGET_WORDS),
)


class TakeForm(forms.Form):
    """Which VMs to take, and into which repository. `everything`: instead of the ticked ones, all
    that can be taken among those that match the page's filters (`view`, its query string).
    `replicate`: start their first replication, too."""

    vm: forms.ModelMultipleChoiceField[DiscoveredVM] = forms.ModelMultipleChoiceField(
        queryset=None,
        required=False,
        error_messages={
            "invalid_choice": "A selected VM is no longer there. Discover the VMs again.",
            "invalid_pk_value": "A selected VM is no longer there. Discover the VMs again.",
        },
    )
    everything = forms.BooleanField(required=False)
    replicate = forms.BooleanField(required=False)
    view = forms.CharField(required=False, max_length=10_000)
    repository: forms.ModelChoiceField[Repository] = forms.ModelChoiceField(
        queryset=None,
        error_messages={
            "required": "Choose the repository that will hold the replicas.",
            "invalid_choice": "That repository is no longer there. Choose another one.",
        },
    )
    rpo_target = DurationField(required=False, label="RPO target")

    def __init__(
        self, data: Any, *, vms: QuerySet[Any], repositories: QuerySet[Repository]
    ) -> None:
        super().__init__(data)
        for name, rows in (("vm", vms), ("repository", repositories)):
            field: Any = self.fields[name]
            field.queryset = rows

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "vm" in values and not (values["vm"] or values.get("everything")):
            raise ValidationError("No VM is selected. Tick the VMs to take.")
        return values

    def first_error(self) -> str:
        return str(next(iter(self.errors.values()))[0])


class RPOTargetForm(forms.Form):
    """How old the newest recovery point of a VM may become; empty: as the policies say."""

    target = DurationField(required=False, label="RPO target")


class RepositoryForm(Styled, forms.Form):
    name = forms.CharField(max_length=100, help_text="Any name that your team will recognise.")
    path = forms.CharField(
        label="Folder",
        max_length=4096,
        help_text="An absolute path on this machine, such as /srv/vmrep. The folder must be empty;"
        " if there is none, it is made. Symbolic links are resolved now, and the result is stored.",
    )
    device = forms.IntegerField(required=False, widget=forms.HiddenInput)
    on_system_disk = forms.BooleanField(required=False)


class RepositoryChangeForm(Styled, EditForm):
    name = forms.CharField(max_length=100)
    reserve = forms.FloatField(
        label="Reserve (GiB)",
        required=False,
        min_value=0,
        max_value=1e9,
        help_text="How much must stay free: no replication begins with less. Leave empty for 2 GiB,"
        " or 1/50 of the file system if that is less.",
    )

    @property
    def changes(self) -> dict[str, str | int | None]:
        reserve = self.cleaned_data["reserve"]
        return {
            "name": self.cleaned_data["name"],
            "reserve_bytes": None if reserve is None else int(reserve * (1 << 30)),
        }


class MoveForm(Styled, forms.Form):
    """To which repository a VM is moved."""

    repository: forms.ModelChoiceField[Repository] = forms.ModelChoiceField(
        queryset=None,
        empty_label="Choose one",
        error_messages={"invalid_choice": "That repository is no longer there. Choose another."},
    )
    replicate = forms.BooleanField(required=False, label="Replicate now")

    def __init__(self, data: Any, *, among: QuerySet[Repository]) -> None:
        super().__init__(data)
        field: Any = self.fields["repository"]
        field.queryset = among
        self.fields["replicate"].widget.attrs["class"] = "form-check-input"


class KeepForm(Styled, forms.Form):
    """Rules of retention to be tried. All empty: every recovery point stays."""

    keep_last = forms.IntegerField(label="Last", required=False, min_value=0, max_value=9999)
    keep_hourly = forms.IntegerField(label="Hourly", required=False, min_value=0, max_value=9999)
    keep_daily = forms.IntegerField(label="Daily", required=False, min_value=0, max_value=9999)
    keep_weekly = forms.IntegerField(label="Weekly", required=False, min_value=0, max_value=9999)
    keep_monthly = forms.IntegerField(label="Monthly", required=False, min_value=0, max_value=9999)
    keep_yearly = forms.IntegerField(label="Yearly", required=False, min_value=0, max_value=9999)

    @property
    def rules(self) -> Rules | None:
        given = [self.cleaned_data[name] for name in self.fields]
        return Rules(*(count or 0 for count in given)) if any(given) else None


class VCenterAddressForm(Styled, forms.Form):
    """Where a vCenter is: the first step of adding one."""

    step = "address"

    name = forms.CharField(max_length=100, help_text="Its name in vmrep.")
    host = forms.CharField(max_length=255, help_text="Host name or IP address.")
    port = forms.IntegerField(min_value=1, max_value=65535, initial=443)

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if is_vcenter_name_taken(name):
            raise ValidationError("Another vCenter already has this name.")
        return name

    def clean(self) -> dict[str, Any]:
        """The address as people copy it: a port in it counts more than the field's."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "host" in values and "port" in values:
            values["host"], values["port"] = vcenters.read_address(values["host"], values["port"])
        return values

    def look(self) -> vcenters.Looked | None:
        """The certificate there; None when nobody answers, which the form reports at its field."""
        try:
            return vcenters.look_at(self.cleaned_data["host"], self.cleaned_data["port"])
        except (VSphereError, ServersBusy) as problem:
            self.add_refusal_at_field(problem)
            return None

    def add_refusal_at_field(self, problem: VSphereError | ContextError) -> None:
        """Show what the vCenter or a service refused, at the field that caused it."""
        field = field_of(problem)
        self.add_error(field if field in self.fields else None, str(problem))


class VCenterForm(VCenterAddressForm, EditForm):
    """Adds a vCenter, or changes `vcenter`.

    A certificate that cannot be verified is shown (`fingerprint`, `certificate`), and a button
    sends its fingerprint back as `confirm_fingerprint`: only that one is pinned. Once confirmed, it
    stays confirmed (`confirmed`) while something else has to be corrected. Likewise of another
    vCenter at the address (`other_estate`) a button sends `confirm_instance_uuid`.
    """

    step = "login"

    username = forms.CharField(
        label="User name", max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    trust_mode = forms.ChoiceField(label="Certificate", choices=TrustMode.choices)
    transport = forms.ChoiceField(choices=TransportKind.choices)
    nbd_command = forms.CharField(label="Name of the command", max_length=60, required=False)
    confirm_fingerprint = forms.CharField(required=False, widget=forms.HiddenInput)
    confirm_instance_uuid = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        *,
        vcenter: VCenter | None = None,
        initial: Any = None,
        reread: Callable[[], VCenter] | None = None,
    ) -> None:
        self.vcenter = vcenter
        self._pinned = vcenter.fingerprint_sha256 if vcenter else ""
        self.fingerprint = self.certificate_problem = self.other_estate = ""
        self.certificate: Any = None
        self.is_changed = self.is_verified = False
        super().__init__(
            data,
            initial=initial or self._initial(vcenter),
            reread=(lambda: self._initial(reread())) if reread else None,
        )
        if vcenter is None:
            del self.fields["trust_mode"], self.fields["confirm_instance_uuid"]
        else:
            self.fields["password"].required = False
            self.fields["password"].help_text = (
                "Leave empty to keep the stored one. To change the address, the user or the"
                " certificate, enter it again."
            )
            offered = [TrustMode.VERIFY, TrustMode(vcenter.trust_mode)]
            trust_mode: Any = self.fields["trust_mode"]
            trust_mode.choices = [(mode.value, mode.label) for mode in dict.fromkeys(offered)]

    @classmethod
    def after(cls, address: dict[str, Any], looked: vcenters.Looked) -> VCenterForm:
        """The second step, once it is known who answers at the address."""
        form = cls(initial=address)
        form.is_verified = not looked.problem
        if looked.problem:
            form.fingerprint = looked.certificate.fingerprint_sha256
            form.certificate, form.certificate_problem = looked.certificate, looked.problem
        return form

    @staticmethod
    def _initial(vcenter: VCenter | None) -> Stored:
        names = ("name", "host", "port", "username", "trust_mode", "transport", "nbd_command")
        if vcenter is None:
            return {}
        unshown = {"password": vcenter.password_encrypted}
        return {name: getattr(vcenter, name) for name in names} | {UNSHOWN: unshown}

    @property
    def confirmed(self) -> str:
        """The fingerprint that the operator has confirmed, unless another was presented since."""
        if not self.is_bound or self.fingerprint:
            return ""
        return str(getattr(self, "cleaned_data", {}).get("confirm_fingerprint", ""))

    @property
    def is_pinned_already(self) -> bool:
        """Whether the presented certificate is the pinned one: then only "verified" fails."""
        return bool(self._pinned) and self._pinned == self.fingerprint

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"])  # the service says whether it is taken

    def clean_confirm_fingerprint(self) -> str:
        try:
            text = self.cleaned_data["confirm_fingerprint"]
            return format_fingerprint(text) if text else ""
        except ValueError as problem:
            raise ValidationError(str(problem)) from problem

    def values(self) -> dict[str, Any]:
        """The service's arguments. A confirmed fingerprint is pinned; a pin stays while chosen."""
        values = dict(self.cleaned_data)
        confirmed = values.pop("confirm_fingerprint")
        values.pop("seen", None)
        values["password"] = values["password"] or None
        if confirmed:
            return values | {"trust_mode": TrustMode.PIN, "fingerprint_sha256": confirmed}
        trust_mode = values.get("trust_mode", TrustMode.VERIFY)
        pinned = ""
        if self.vcenter is not None and trust_mode == TrustMode.PIN:
            pinned = self.vcenter.fingerprint_sha256
        return values | {"trust_mode": trust_mode, "fingerprint_sha256": pinned}

    def add_problems(self, problem: ValidationError) -> None:
        """Errors of the model, each at its field if the form has it."""
        for name, errors in problem.update_error_dict({}).items():
            field = name if name in self.fields else None
            self.add_error(field if name != NON_FIELD_ERRORS else None, errors)

    def add_refusal(self, problem: VSphereError | ContextError) -> None:
        """Show what the connection test said, where it can be corrected."""
        if isinstance(problem, CertificateNotTrusted):
            self.fingerprint = problem.fingerprint_sha256 or ""
            self.certificate_problem = problem.reason
        elif isinstance(problem, CertificateChanged):
            self.fingerprint, self.is_changed = problem.presented, True
        if isinstance(problem, OtherEstate) and self.vcenter is not None:
            self.other_estate = problem.presented or ""
        if self.fingerprint:
            self._look_at_certificate()
            return
        self.add_refusal_at_field(problem)

    def _look_at_certificate(self) -> None:
        """What the certificate says, for the operator to compare; only the fingerprint counts."""
        try:
            shown = vcenters.presented_certificate(
                self.cleaned_data["host"], self.cleaned_data["port"]
            )
        except (VSphereError, ServersBusy):
            return  # the fingerprint alone can be compared, too
        if shown.fingerprint_sha256 == self.fingerprint:
            self.certificate = shown
