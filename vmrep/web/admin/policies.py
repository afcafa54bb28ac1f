"""The admin of policies: written by the services; where they apply is said on the pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from contexts.errors import ContextError
from replication.errors import PolicyRefused
from replication.models import (
    EffectivePolicy,
    GroupRun,
    GroupRunMember,
    Pause,
    Policy,
    PolicyScope,
    PolicyWindow,
    VMGroup,
    VMGroupMember,
    VMSchedule,
)
from replication.policies import calendars, services
from replication.policies.values import COLUMNS, UNSAID, Value
from replication.states import RPOKind
from vmrep import access
from vmrep.access import Verb
from vmrep.web.admin.base import KeptByVmrep, ReadOnlyInline, ServiceForm, SoundKeys


class PolicyForm(ServiceForm):
    """What a policy says. A field that is empty leaves its group to a policy that is less near."""

    class Meta:
        model = Policy
        fields = ["name", *COLUMNS, "repository"]

    actor: str

    def serve(self, values: dict[str, Any]) -> Model:
        try:
            return self._written(values)
        except PolicyRefused as problem:
            raise ValidationError(problem.errors) from problem

    def _written(self, values: dict[str, Any]) -> Model:
        given: dict[str, Value] = {
            column: UNSAID[column] if values[column] is None else values[column]
            for column in COLUMNS
        }
        repository = values["repository"]
        given["repository_id"] = repository.pk if repository else None
        if self.instance.pk is None:
            policy = services.add(values["name"] or "", given, actor=self.actor)
        else:
            policy = access.policy(self.user, self.instance.pk, Verb.CHANGE)
            if given["rpo_kind"] == RPOKind.CALENDAR:
                given["rpo_target_seconds"] = None  # it follows
            services.change(policy, given, name=values["name"] or "", actor=self.actor)
            policy.refresh_from_db()
        return policy

    def clean(self) -> dict[str, Any]:
        """With what follows from the values: Django checks the row once more."""
        values = super().clean()
        if not self.errors:
            values |= {name: getattr(self.instance, name) for name in PolicyForm.Meta.fields}
        return values


class ScopeInline(ReadOnlyInline):
    model = PolicyScope
    fields = ("kind", "vcenter", "folder", "pattern", "vm_context", "takes_new", "created_by")


class WindowInline(ReadOnlyInline):
    model = PolicyWindow
    fields = ("days", "from_minute", "to_minute")


@admin.register(Policy)
class PolicyAdmin(SoundKeys):
    """Those with a name; a VM's own values are said on its page."""

    form = PolicyForm
    list_display = ("name", "rpo_kind", "rpo_target_seconds", "calendar", "retention_kind")
    list_filter = ("rpo_kind", "retention_kind", "quiesce", "priority")
    search_fields = ("name", "cron", "scopes__folder", "scopes__pattern")
    readonly_fields = ("created_at", "updated_at")
    inlines = (ScopeInline, WindowInline)

    @admin.display(ordering="cron")
    def calendar(self, policy: Policy) -> str:
        return f"{policy.cron} ({calendars.in_words(policy.cron)})" if policy.cron else ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(name__isnull=False)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        people = {"user": request.user, "actor": request.user.get_username()}
        return type(form.__name__, (form,), people)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing to do: the form's service has saved the object."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        services.remove(obj, actor=request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for policy in queryset:
            services.remove(policy, actor=request.user.get_username())

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except ContextError as problem:
            return self._told(request, problem)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        try:
            return super().response_action(request, queryset, *args, **kwargs)
        except ContextError as problem:
            return self._told(request, problem)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its scopes prevent its deletion; its hours go with it."""
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected

    def _told(self, request: HttpRequest, problem: ContextError) -> HttpResponse:
        self.message_user(request, str(problem), messages.ERROR)
        return redirect("admin:replication_policy_changelist")


@admin.register(EffectivePolicy)
class EffectivePolicyAdmin(KeptByVmrep):
    list_display = ("vm_context", "policy", "rpo_kind", "rpo_target_seconds", "retention_kind")
    list_filter = ("rpo_kind", "retention_kind", "quiesce", "policy")
    list_select_related = ("vm_context", "policy")
    search_fields = ("vm_context__vm_name", "vm_context__pk", "policy__name")


@admin.register(VMSchedule)
class VMScheduleAdmin(KeptByVmrep):
    list_display = (
        *("vm_context", "due_at", "due_why", "held_up", "breach_expected_at", "compare"),
        "failures_in_a_row",
    )
    list_filter = ("due_why", "compare")
    list_select_related = ("vm_context",)
    search_fields = ("vm_context__vm_name", "vm_context__pk")


@admin.register(Pause)
class PauseAdmin(KeptByVmrep):
    list_display = (
        *("kind", "vcenter", "policy", "vm_context", "until", "reason"),
        *("paused_by", "created_at", "ended_at", "ended_by"),
    )
    list_filter = ("kind",)
    list_select_related = ("vcenter", "policy", "vm_context")
    search_fields = ("reason", "paused_by", "vm_context__vm_name")


@admin.register(VMGroup)
class VMGroupAdmin(KeptByVmrep):
    list_display = ("name", "created_by", "created_at")
    list_filter = ("created_at",)
    search_fields = ("name",)


@admin.register(VMGroupMember)
class VMGroupMemberAdmin(KeptByVmrep):
    list_display = ("group", "position", "vm_context", "added_by", "created_at")
    list_filter = ("group",)
    list_select_related = ("group", "vm_context")
    search_fields = ("group__name", "vm_context__vm_name", "vm_context__pk")


@admin.register(GroupRun)
class GroupRunAdmin(KeptByVmrep):
    list_display = ("pk", "group", "state", "trigger", "requested_by", "spread_seconds", "problem")
    list_filter = ("state", "trigger", "group")
    list_select_related = ("group",)
    search_fields = ("group__name", "requested_by", "problem")


@admin.register(GroupRunMember)
class GroupRunMemberAdmin(KeptByVmrep):
    list_display = ("run", "position", "vm_context", "state", "taken_at", "job", "why")
    list_filter = ("state",)
    list_select_related = ("run", "vm_context", "job")
    search_fields = ("vm_context__vm_name", "vm_context__pk", "job__pk", "why")
