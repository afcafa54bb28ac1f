"""The filters of contexts and discovered VMs: one definition for pages and API.

A search text is split into words, and each word must occur somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from unicodedata import normalize

import django_filters
from django.core.exceptions import ValidationError
from django.core.validators import EMPTY_VALUES, RegexValidator
from django.db.models import Q, QuerySet, TextChoices
from django_filters.fields import ModelMultipleChoiceField

from contexts.folders import NO_FOLDER
from contexts.models import DiscoveredVM, VCenter, VMContext
from contexts.selectors import takable_as_it_is, taken_in
from contexts.states import ContextStatus, TrustMode

SEARCH_LENGTH = 200
MOST_WORDS = 10
"""Of a search: the database looks for each of them in each column of each row."""
FOLDER_LENGTH = 4000
_TOO_MANY_WORDS = "too_many_words"
_TAKING = r"\A[0-9]{1,18}-[0-9]{1,18}\Z"


class PowerState(TextChoices):
    """vSphere's own words."""

    ON = "poweredOn", "Powered on"
    OFF = "poweredOff", "Powered off"
    SUSPENDED = "suspended", "Suspended"


def containing(
    rows: QuerySet[Any], texts: Sequence[str], identifiers: Sequence[str], search: str
) -> QuerySet[Any]:
    """The rows that contain each word of the search, ignoring case, in one of the columns.

    A text may contain the word anywhere, with its accents composed or not. An identifier must begin
    with it, because some UUID always contains "db".
    """
    for word in dict.fromkeys(search.split()):
        found = Q()
        for column in texts:
            found |= _contains(column, word)
        for column in identifiers:
            found |= Q(**{f"{column}__istartswith": word})
        rows = rows.filter(found)
    return rows


def _contains(column: str, word: str) -> Q:
    """Names come from several systems, which write "ü" as one character or as two: what looks the
    same is the same. Databases compare characters."""
    if word.isascii():
        return Q(**{f"{column}__icontains": word})
    composed = normalize("NFC", word)
    return Q(**{f"{column}__iregex": "".join(map(_in_any_form, composed))})


def _in_any_form(character: str) -> str:
    """A regular expression for a character in each of its Unicode forms."""
    apart = normalize("NFD", character)
    forms = {
        character,
        *(normalize("NFC", apart[:end]) + apart[end:] for end in range(1, len(apart) + 1)),
    }
    found = "|".join(sorted(map(re.escape, forms)))
    return f"(?:{found})" if len(forms) > 1 else found


class Choices(django_filters.MultipleChoiceFilter):
    """One or several values of a column of the row itself, so that no row is listed twice."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(distinct=False, **kwargs)


class KeyField(ModelMultipleChoiceField):
    def clean(self, value: Any) -> Any:
        """Treats a number that no database can hold as an invalid choice; the query would fail."""
        for pk in value or ():
            if not re.fullmatch(r"[0-9]{1,18}", str(pk)):
                raise ValidationError(
                    self.error_messages["invalid_choice"],
                    code="invalid_choice",
                    params={"value": str(pk)[:20]},
                )
        return super().clean(value)


class OfVCenter(django_filters.ModelMultipleChoiceFilter):
    """One or several vCenters, by ID: of those that `WithVCenters` was given."""

    field_class = KeyField

    def __init__(self, **kwargs: object) -> None:
        super().__init__(distinct=False, queryset=VCenter.objects.none(), label="vCenter", **kwargs)


class Filters(django_filters.FilterSet):
    """Base of all."""

    @property
    def is_filtered(self) -> bool:
        """Whether any filter acts: a parameter that is empty or not valid filters nothing."""
        if not self.is_bound or not self.is_valid():
            return False
        return any(value not in EMPTY_VALUES and value != [] for value in self._values())

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """A page whose search has too many words finds nothing: whoever types sees no more of the
        page than its rows."""
        found: QuerySet[Any] = super().filter_queryset(queryset)
        return found.none() if self.form.has_error("search", _TOO_MANY_WORDS) else found

    def _values(self) -> list[Any]:
        values = self.form.cleaned_data.values()
        return [list(it) if isinstance(it, QuerySet) else it for it in values]


class WithVCenters(Filters):
    """A filter set with the filter `vcenter`. `vcenters` are its choices: those that the user
    sees."""

    def __init__(self, *args: Any, vcenters: QuerySet[VCenter], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.filters["vcenter"].queryset = vcenters


def _require_few_words(text: str) -> None:
    if len(set(text.split())) > MOST_WORDS:
        raise ValidationError(f"Search for at most {MOST_WORDS} words.", code=_TOO_MANY_WORDS)


class Search(django_filters.CharFilter):
    """A search box over several columns."""

    def __init__(self, *, texts: Sequence[str], identifiers: Sequence[str]) -> None:
        self.texts, self.identifiers = tuple(texts), tuple(identifiers)
        super().__init__(label="Search", max_length=SEARCH_LENGTH, validators=[_require_few_words])

    def filter(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        return containing(rows, self.texts, self.identifiers, value) if value else rows


class VCenterFilter(Filters):
    """Filters vCenters."""

    search = Search(texts=("name", "host", "username"), identifiers=("instance_uuid",))
    trust_mode = Choices(choices=TrustMode.choices, label="Trust")
    login_refused = django_filters.BooleanFilter(
        field_name="login_refused_at", lookup_expr="isnull", exclude=True, label="Login refused"
    )

    class Meta:
        model = VCenter
        fields: list[str] = []


def vm_search(identifier: str) -> Search:
    return Search(
        texts=(
            *("vm_name", "vm_path", "annotation"),
            *("guest_hostname", "ip_addresses", "host_name"),
        ),
        identifiers=("vmware_vm_id", "bios_uuid", identifier),
    )


def power_state() -> Choices:
    return Choices(choices=PowerState.choices, label="Power")


def operating_system() -> django_filters.CharFilter:
    return django_filters.CharFilter(
        field_name="os_type",
        lookup_expr="icontains",
        label="Operating system",
        max_length=SEARCH_LENGTH,
    )


class VMContextFilter(WithVCenters):
    """Filters contexts by what is known about the VM; `replication.filters` adds protection."""

    search = vm_search("context_id")
    status = Choices(field_name="current_status", choices=ContextStatus.choices, label="Status")
    vcenter = OfVCenter()
    os = operating_system()
    power_state = power_state()
    taken = django_filters.CharFilter(
        method="by_taking", label="Taken together", validators=[RegexValidator(_TAKING)]
    )

    class Meta:
        model = VMContext
        fields: list[str] = []

    def by_taking(self, rows: QuerySet[Any], _name: str, taking: str) -> QuerySet[Any]:
        """The VMs that one taking brought under management (its `Taken.taking`)."""
        first, last = map(int, taking.split("-"))
        return rows.filter(pk__in=taken_in(first, last))


class DiscoveredVMFilter(Filters):
    """Filters a vCenter's VMs, the rows of `selectors.discovered_vms` with `also_gone`. VMs that
    disappeared from the vCenter are shown only on request."""

    search = vm_search("moref")
    os = operating_system()
    power_state = power_state()
    managed = django_filters.BooleanFilter(
        field_name="managed_context_id", lookup_expr="isnull", exclude=True, label="Managed"
    )
    refused = django_filters.BooleanFilter(method="by_refusal", label="Refused")
    takable = django_filters.BooleanFilter(method="by_takable", label="Can be taken")
    identity_changed = django_filters.BooleanFilter(
        field_name="probable_context_id",
        lookup_expr="isnull",
        exclude=True,
        label="Identity changed",
    )
    gone = django_filters.BooleanFilter(method="by_nothing", label="Disappeared")
    folder = django_filters.CharFilter(
        method="by_folder", label="Folder", max_length=FOLDER_LENGTH, strip=False
    )

    class Meta:
        model = DiscoveredVM
        fields: list[str] = []

    def filter_queryset(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        rows = rows.filter(gone_at__isnull=not self.form.cleaned_data.get("gone"))
        return super().filter_queryset(rows)

    def by_nothing(self, rows: QuerySet[Any], _name: str, _gone: bool) -> QuerySet[Any]:
        """Nothing to do: `filter_queryset` applies this filter even when it is not set."""
        return rows

    def by_refusal(self, rows: QuerySet[Any], _name: str, refused: bool) -> QuerySet[Any]:
        """Whether a replication would be refused if the VM were taken under management now. A
        managed VM may have a snapshot of vmrep's, or disks that an operator left out."""
        would_be = ~Q(refusals=[]) & Q(managed_context_id__isnull=True)
        return rows.filter(would_be if refused else ~would_be)

    def by_takable(self, rows: QuerySet[Any], _name: str, takable: bool) -> QuerySet[Any]:
        """Whether it can be taken and would be replicated as it is now."""
        found = takable_as_it_is(rows)
        return found if takable else rows.exclude(pk__in=found.values("pk"))

    def by_folder(self, rows: QuerySet[Any], _name: str, folder: str) -> QuerySet[Any]:
        """VMs in an inventory folder or below it; "-": VMs whose folder is unknown."""
        if folder == NO_FOLDER:
            return rows.filter(vm_path__isnull=True)
        return rows.filter(vm_path__startswith=folder.rstrip("/") + "/")
