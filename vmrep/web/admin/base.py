"""What the pages of the admin have in common: rights from `vmrep.access`, rows that vmrep keeps
right, and forms whose objects services write."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin import helpers
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import connection
from django.db.models import Model, QuerySet
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse

from contexts.error_fields import field_of
from contexts.errors import ContextError
from contexts.services.transactions import EDIT, one_at_a_time
from contexts.vsphere.errors import VSphereError
from contexts.vsphere.specs import SPEC_FIELDS, SpecField
from vmrep import access
from vmrep.access import Verb
from vmrep.web.edits import UNSHOWN, Compared, seen_field

if TYPE_CHECKING:  # Django's classes are generic for the type checker only
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin, TabularInline, ModelForm = admin.ModelAdmin, admin.TabularInline, forms.ModelForm


def columns(model: type[Model], *, without: tuple[str, ...] = ()) -> list[str]:
    """All columns of a model, in order."""
    return [field.name for field in model._meta.concrete_fields if field.name not in without]


def _shown(spec: SpecField) -> Callable[[Any], str]:
    """Shows an empty list as "none"; Django would show it like an unknown one."""

    @admin.display(description=spec.label)
    def shown(row: Any) -> str:
        value = getattr(row, spec.name)
        if value is None:
            return str(admin.site.empty_value_display)
        return ", ".join(value) or "none"

    shown.__name__ = spec.name
    return shown


SHOWN_LISTS = {spec.name: _shown(spec) for spec in SPEC_FIELDS if spec.kind == "list"}


def spec_fieldsets() -> list[tuple[str, Any]]:
    """A fieldset for each group of the one list of specs."""
    groups: dict[str, list[Any]] = {}
    for spec in SPEC_FIELDS:
        groups.setdefault(spec.group, []).append(SHOWN_LISTS.get(spec.name, spec.name))
    return [(group.capitalize(), {"fields": names}) for group, names in groups.items()]


class Rights:
    """`vmrep.access` says what a user may see and do."""

    model: type[Model]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)  # type: ignore[misc]  # of Django's admin
        return access.rows_in_admin(request.user, rows)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_in_admin(request.user, Verb.VIEW, self.model)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return access.may_in_admin(request.user, Verb.ADD, self.model)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_in_admin(request.user, Verb.CHANGE, self.model)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may_in_admin(request.user, Verb.REMOVE, self.model)

    def has_replicate_permission(self, request: HttpRequest) -> bool:
        return access.may_in_admin(request.user, Verb.REPLICATE, self.model)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return access.may_in_admin(request.user, Verb.CANCEL, self.model)


class SoundKeys(Rights, ModelAdmin):
    """A selection that none of our pages can send is a bad request, not a server error. (Django
    queries the database for any keys that it is given.)"""

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        for key in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME):
            try:
                self.model._meta.pk.to_python(key)
                ProhibitNullCharactersValidator()(key)
            except ValidationError as problem:
                raise SuspiciousOperation(f"{key!r} is not the key of a row") from problem
        return super().response_action(request, queryset, *args, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """409 for a form that somebody else's change has overtaken."""
        answer = super().render_change_form(request, context, *args, **kwargs)
        form = context["adminform"].form
        if isinstance(form, Compared):
            answer.status_code = form.status
        return answer


class SeenForm(Compared, ModelForm):
    """What somebody else has changed since it was filled in is not overwritten, as on the pages.

    An object that is new has nothing to overwrite."""

    seen = seen_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.overtaken = []
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial[UNSHOWN] = self.unshown(self.instance)

    def unshown(self, stored: Any) -> dict[str, str]:
        """By field, a text that changes with a value which the page does not show."""
        return {}

    def clean(self) -> dict[str, Any]:
        """Before anything is written."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk is not None:
            self._read_again()
            self.compare()
            tell = "{0.label} is now {0.stored}; you entered {0.entered}."
            left = "{0.label} is now {0.stored}."
            for each in self.overtaken:
                self.add_error(None, (tell if each.entered else left).format(each))
        return values

    def _read_again(self) -> None:
        """In the transaction in which it will be written, if there is one: nobody else edits
        anything until it ends."""
        if connection.in_atomic_block:
            one_at_a_time(EDIT)
        stored = copy(self.instance)
        stored.refresh_from_db()
        self.initial = model_to_dict(stored, [*self.fields]) | {UNSHOWN: self.unshown(stored)}


class KeptByVmrep(SoundKeys):
    """Rows that nobody adds or deletes by hand; only `editable` fields can be changed.

    A change writes only those columns, by a service: the rest may change at the same time.
    """

    editable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(self.editable) and super().has_change_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*columns(self.model, without=self.hidden), *self.seen(request, obj)]

    def seen(self, request: HttpRequest, obj: Any) -> tuple[str, ...]:
        """The form's hidden field, for whoever may change something."""
        return ("seen",) if self.has_change_permission(request, obj) else ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        names = columns(self.model, without=(*self.hidden, *self.editable))
        return [*names, *SHOWN_LISTS.values()]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Whoever lets a column be changed writes it by a service, which tells the audit trail."""
        raise NotImplementedError(f"no service changes {self.model.__name__} in the admin")


class ReadOnlyInline(Rights, TabularInline):
    """Rows shown on the page of the object that they belong to."""

    extra = 0
    can_delete = False
    show_change_link = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ServiceForm(SeenForm):
    """A form whose object a service writes. What the service refuses becomes a form error."""

    user: access.User  # the one who fills it in

    def serve(self, values: dict[str, Any]) -> Model:
        """Write the object. Raises what the service raises."""
        raise NotImplementedError

    def field_of(self, problem: VSphereError | ContextError) -> str | None:
        return field_of(problem)

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if self.errors:
            return values
        try:
            self.instance = self.serve({k: v for k, v in values.items() if k != "seen"})
        except ValidationError as problem:
            self._blame(problem)
        except (VSphereError, ContextError) as problem:
            self.add_error(self.field_of(problem), str(problem))
        return values

    def _blame(self, problem: ValidationError) -> None:
        """Makes an error of a field that this form does not show an error of the form."""
        if not hasattr(problem, "error_dict"):
            self.add_error(None, problem)
            return
        for field, errors in problem.error_dict.items():
            self.add_error(field if field in self.fields else None, errors)


class WithoutTransaction(ModelAdmin):
    """For a page with a ServiceForm."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Skips Django's transaction: on SQLite it would keep every worker from writing until the
        vCenter or the storage answers. The service opens its own."""
        view: Any = super()
        answer: HttpResponse = view._changeform_view(request, object_id, form_url, extra_context)
        return answer
