"""The admin of contexts, jobs, recovery points and repositories.

Almost everything is read-only, because vmrep maintains it. "Replicate now" and "Cancel" call the
same services as the pages and the API, and show their refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, Model, Q, QuerySet
from django.http import HttpRequest

from contexts.errors import ContextError
from contexts.models import VMContext
from contexts.text import plural
from contexts.vsphere.errors import VSphereError
from replication.errors import ConfirmFolder, JobNotActive
from replication.models import (
    BandwidthWindow,
    CBTHistory,
    ContextLease,
    DiskImage,
    IntegrityFinding,
    IntegrityRun,
    JobLogLine,
    JobStep,
    Limit,
    Place,
    RecoveryPoint,
    RecoveryPointHold,
    ReplicationJob,
    Repository,
    VMSnapshot,
)
from replication.selectors.jobs import SHOWN_ATTEMPTS, attempts_left_out
from replication.services import cancel, repositories, start
from replication.states import Trigger
from vmrep.web.admin.base import (
    KeptByVmrep,
    ModelAdmin,
    ReadOnlyInline,
    Rights,
    SeenForm,
    ServiceForm,
    WithoutTransaction,
)
from vmrep.web.admin.contexts import VMContextAdmin

CANCELLED = "Replications cancelled, or asked to stop"
OF_VM = ("vm_context__vm_name", "vm_context__pk")


def _each(
    page: ModelAdmin,
    request: HttpRequest,
    rows: Iterable[Any],
    do: Callable[[Any], object],
    done: str,
) -> None:
    """Do it to each row; a refusal is shown, and does not affect the other rows."""
    count = 0
    for row in rows:
        try:
            do(row)
        except ContextError as problem:
            page.message_user(request, f"{row}: {problem}", messages.ERROR)
        else:
            count += 1
    if count:
        page.message_user(request, f"{done}: {count}.", messages.SUCCESS)


def _cancel_current(context: VMContext, actor: str) -> None:
    if context.current_job is None:
        raise JobNotActive("No replication of this VM is active: there is nothing to cancel.")
    cancel.cancel(context.current_job, actor=actor)


@admin.register(VMContext)
class ProtectedVMAdmin(VMContextAdmin):
    actions = ("replicate_now", "cancel_replication")

    @admin.action(description="Replicate now", permissions=["replicate"])
    def replicate_now(self, request: HttpRequest, contexts: Any) -> None:
        actor = request.user.get_username()
        _each(
            self,
            request,
            contexts,
            lambda context: start.start(context, trigger=Trigger.MANUAL, requested_by=actor),
            "Replications started",
        )

    @admin.action(description="Cancel replication", permissions=["cancel"])
    def cancel_replication(self, request: HttpRequest, contexts: Any) -> None:
        actor = request.user.get_username()
        _each(
            self,
            request,
            contexts.select_related("current_job"),
            lambda context: _cancel_current(context, actor),
            CANCELLED,
        )


class StepInline(ReadOnlyInline):
    """Steps of the last attempts: a job that waited for a long time may have hundreds."""

    model = JobStep
    fields = ("attempt", "name", "status", "message", "started_at", "completed_at")
    ordering = ("attempt", "id")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """The title says what is left out: each request has inlines of its own."""
        if obj is not None and (left_out := attempts_left_out(obj)):
            earlier = plural(left_out, "earlier attempt")
            self.verbose_name_plural = (
                f"Steps of the last {SHOWN_ATTEMPTS} attempts; {earlier} not listed"
            )
        return super().get_formset(request, obj, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobStep]:
        last = Q(attempt__gt=F("job__attempt") - SHOWN_ATTEMPTS)
        return super().get_queryset(request).filter(last)


class LogInline(ReadOnlyInline):
    model = JobLogLine
    fields = ("at", "attempt", "level", "text")
    ordering = ("id",)


class ImageInline(ReadOnlyInline):
    model = DiskImage
    fields = (
        *("disk", "sync_type", "state", "planned_bytes", "transferred_bytes"),
        *("allocated_bytes", "change_id", "locator"),
    )


@admin.register(ReplicationJob)
class ReplicationJobAdmin(KeptByVmrep):
    actions = ("cancel_job",)
    list_display = (
        *("id", "source_vm_name", "status", "replication_type", "trigger", "requested_by"),
        *("bytes_transferred", "total_bytes", "created_at", "completed_at"),
    )
    list_filter = ("status", "replication_type", "trigger", "repository")
    search_fields = ("id", "source_vm_name", "source_vm_id", "vm_context__pk", "error_message")
    inlines = (StepInline, ImageInline, LogInline)

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel_job(self, request: HttpRequest, jobs: Any) -> None:
        actor = request.user.get_username()
        _each(
            self,
            request,
            jobs,
            lambda job: cancel.cancel(job, actor=actor),
            CANCELLED,
        )


@admin.register(RecoveryPoint)
class RecoveryPointAdmin(KeptByVmrep):
    list_display = ("id", "vm_context", "consistent_at", "state", "quiesced", "disk_count", "job")
    list_filter = ("state", "quiesced", "repository")
    list_select_related = ("vm_context", "job")
    search_fields = (*OF_VM, "job__pk")
    inlines = (ImageInline,)


@admin.register(DiskImage)
class DiskImageAdmin(KeptByVmrep):
    hidden = ("extent_map",)  # bytes for a picture
    list_display = ("id", "vm_context", "disk", "sync_type", "state", "allocated_bytes", "job")
    list_filter = ("state", "sync_type", "repository")
    list_select_related = ("vm_context", "disk", "job")
    search_fields = ("locator", "change_id", "job__pk", *OF_VM)


@admin.register(CBTHistory)
class CBTHistoryAdmin(KeptByVmrep):
    hidden = ("extent_map",)  # bytes for a picture
    list_display = (
        *("created_at", "vm_context", "disk", "sync_type", "sync_success"),
        *("blocks_changed", "bytes_transferred", "sync_duration_seconds"),
    )
    list_filter = ("sync_type", "sync_success")
    list_select_related = ("vm_context", "disk")
    search_fields = ("change_id", "job__pk", *OF_VM)


@admin.register(VMSnapshot)
class VMSnapshotAdmin(KeptByVmrep):
    list_display = ("name", "vm_context", "state", "moref", "quiesced", "created_at", "removed_at")
    list_filter = ("state", "quiesced")
    list_select_related = ("vm_context",)
    search_fields = ("name", "moref", "job__pk", *OF_VM)


@admin.register(ContextLease)
class ContextLeaseAdmin(KeptByVmrep):
    hidden = ("token",)  # whoever knows it may write
    list_display = ("vm_context", "holder_kind", "job", "holder", "acquired_at", "expires_at")
    list_filter = ("holder_kind",)
    list_select_related = ("vm_context", "job")
    search_fields = ("holder", "job__pk", *OF_VM)


@admin.register(Place)
class PlaceAdmin(KeptByVmrep):
    hidden = ("token",)
    list_display = ("kind", "resource", "number", "job", "holder", "acquired_at", "expires_at")
    list_filter = ("kind", "number")
    list_select_related = ("job",)
    search_fields = ("resource", "holder", "job__pk")


@admin.register(Limit)
class LimitAdmin(KeptByVmrep):
    list_display = ("kind", "resource", "vcenter", "repository", "value", "set_by", "updated_at")
    list_filter = ("kind",)
    list_select_related = ("vcenter", "repository")
    search_fields = ("resource", "set_by")


@admin.register(BandwidthWindow)
class BandwidthWindowAdmin(KeptByVmrep):
    list_display = (
        *("vcenter", "bytes_per_second", "days", "from_minute", "to_minute", "time_zone"),
        *("set_by", "updated_at"),
    )
    list_filter = ("vcenter",)
    list_select_related = ("vcenter",)
    search_fields = ("set_by",)


@admin.register(RecoveryPointHold)
class RecoveryPointHoldAdmin(KeptByVmrep):
    list_display = ("recovery_point", "kind", "owner", "expires_at", "created_at")
    list_filter = ("kind",)
    list_select_related = ("recovery_point",)
    search_fields = ("owner", "recovery_point__vm_context__vm_name")


class FindingInline(ReadOnlyInline):
    model = IntegrityFinding
    fields = ("code", "severity", "vm_name", "context_id", "job_id", "what", "remedy", "repaired")


@admin.register(IntegrityRun)
class IntegrityRunAdmin(KeptByVmrep):
    list_display = (
        *("id", "outcome", "requested_by", "finding_count", "repaired_count"),
        *("started_at", "completed_at"),
    )
    list_filter = ("outcome", "repair", "deep")
    search_fields = ("requested_by", "findings__code", "findings__vm_name")
    inlines = (FindingInline,)


class RepositoryForm(ServiceForm):
    """A folder becomes a repository: its marker is written by the service."""

    path = forms.CharField(
        max_length=4096, strip=False, help_text="An absolute path on this machine."
    )

    device = forms.IntegerField(
        required=False,
        label="File system",
        help_text="The number of the file system that the folder is on; it is told when you save.",
    )
    on_system_disk = forms.BooleanField(
        required=False, label="On the machine's own file system", help_text="That is meant."
    )

    class Meta:
        model = Repository
        fields = ["name", "path"]

    def serve(self, values: dict[str, Any]) -> Model:
        confirmed = {name: values[name] for name in ("device", "on_system_disk")}
        try:
            return repositories.add(values["name"], values["path"], **confirmed)
        except ConfirmFolder as problem:
            told = f"{problem} If that is right, enter {problem.facts['device']} as File system."
            raise ConfirmFolder(told, problem.facts) from problem

    def field_of(self, problem: VSphereError | ContextError) -> str | None:
        if not isinstance(problem, ConfirmFolder):
            return "path"
        asks_again = problem.facts["device"] == self.cleaned_data.get("device")
        return "on_system_disk" if asks_again else "device"


class NameForm(SeenForm):
    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if "name" in values:
            repositories.require_free_name(values["name"], self.instance)
        return values


@admin.register(Repository)
class RepositoryAdmin(WithoutTransaction, KeptByVmrep):
    """Added through the service; only its name can be changed, because its folder has files."""

    form = NameForm
    editable = ("name",)
    list_display = ("name", "kind", "uuid", "config", "created_at")
    list_filter = ("kind",)
    search_fields = ("name", "uuid", "config")

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return Rights.has_add_permission(self, request)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if not change:
            return RepositoryForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*RepositoryForm.base_fields] if obj is None else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else super().get_readonly_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:  # the form's service has added a new one
            repositories.change(obj, name=obj.name)
