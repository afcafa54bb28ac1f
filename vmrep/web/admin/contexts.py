"""The admin of vCenters and of what was seen in them.

What vmrep itself maintains (states, counters, identities, history) cannot be edited here: only
services change it. Contexts are registered in `vmrep.web.admin.replication`, where their actions
are.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from contexts import trail
from contexts.errors import ContextError
from contexts.models import (
    ContextEvent,
    DiscoveredVM,
    Discovery,
    VCenter,
    VMContext,
    VMDisk,
    VMNetworkAdapter,
)
from contexts.models.specs import SPEC_NAMES
from contexts.services import protection, vcenters
from contexts.vsphere.endpoint import format_fingerprint
from replication.policies import services
from vmrep import access
from vmrep.access import Verb
from vmrep.web.admin.base import (
    KeptByVmrep,
    ReadOnlyInline,
    SeenForm,
    ServiceForm,
    SoundKeys,
    WithoutTransaction,
    columns,
    spec_fieldsets,
)

admin.site.site_header = admin.site.site_title = "vmrep"
admin.site.index_title = "Administration"

SPEC_SEARCH = (
    *("vm_name", "vmware_vm_id", "bios_uuid", "moref", "vm_path"),
    *("guest_hostname", "ip_addresses", "annotation"),
)


class VCenterForm(ServiceForm):
    """The password goes in and never comes out; the connection is tested first."""

    password = forms.CharField(
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown. Leave empty to keep the current password.",
    )

    class Meta:
        model = VCenter
        fields = [
            *("name", "host", "port", "username", "password"),
            *("trust_mode", "fingerprint_sha256", "transport", "nbd_command"),
        ]

    def unshown(self, stored: Any) -> dict[str, str]:
        return {"password": stored.password_encrypted}

    def clean_fingerprint_sha256(self) -> str:
        typed = self.cleaned_data["fingerprint_sha256"]
        try:
            return format_fingerprint(typed) if typed else ""
        except ValueError as problem:
            raise ValidationError(str(problem)) from problem

    def serve(self, values: dict[str, Any]) -> Model:
        password = values["password"]
        if self.instance.pk is None:
            if not password:
                raise ValidationError({"password": "A password is needed to log in."})
            return vcenters.add(**values)
        known = access.vcenter(self.user, self.instance.pk, Verb.CHANGE)
        return vcenters.update(known, **values | {"password": password or None})


@admin.register(VCenter)
class VCenterAdmin(WithoutTransaction, SoundKeys):
    """Adds and changes vCenters through the service, which tests the connection first."""

    form = VCenterForm
    list_display = ("name", "host", "port", "username", "trust_mode", "transport", "product")
    list_filter = ("trust_mode", "transport")
    search_fields = ("name", "host", "username", "instance_uuid")
    readonly_fields = (
        "instance_uuid",
        "host_uuid",
        "product",
        "api_version",
        "created_at",
        "updated_at",
    )

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        return type(form.__name__, (form,), {"user": request.user})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing to do: the form's service has saved the object."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        access.require(request.user, Verb.REMOVE, VCenter)
        vcenters.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        access.require(request.user, Verb.REMOVE, VCenter)
        for vcenter in queryset:
            vcenters.remove(vcenter)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except ContextError as problem:
            return self._refused(request, problem)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Either all selected rows are deleted, or none."""
        try:
            with transaction.atomic(), trail.gathered():
                return super().response_action(request, queryset, *args, **kwargs)
        except ContextError as problem:
            return self._refused(request, problem)

    def _refused(self, request: HttpRequest, problem: ContextError) -> HttpResponse:
        self.message_user(request, str(problem), messages.ERROR)
        return redirect("admin:contexts_vcenter_changelist")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Discovered VMs are deleted with their vCenter; contexts prevent its deletion."""
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected


@admin.register(Discovery)
class DiscoveryAdmin(KeptByVmrep):
    list_display = ("id", "vcenter", "status", "vms_seen", "requested_by", "created_at")
    list_filter = ("status", "vcenter")
    list_select_related = ("vcenter",)
    search_fields = ("vcenter__name", "requested_by", "error_message")


@admin.register(DiscoveredVM)
class DiscoveredVMAdmin(KeptByVmrep):
    list_display = ("vm_name", "vcenter", "vm_path", "power_state", "os_type", "seen_at", "gone_at")
    list_filter = ("vcenter", "power_state", ("gone_at", admin.EmptyFieldListFilter))
    list_select_related = ("vcenter",)
    search_fields = SPEC_SEARCH
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("vcenter", "vmware_vm_id", "identity_problem", "identity_rejected_at"),
                    *("seen_at", "gone_at"),
                ]
            },
        ),
        *spec_fieldsets(),
        ("As read", {"fields": ["disks", "networks", "refusals", "notices", "untold_places"]}),
    ]


class NetworkAdapterInline(ReadOnlyInline):
    model = VMNetworkAdapter
    fields = (
        *("label", "mac_address", "network_name", "adapter_type", "connected"),
        *("ip_addresses", "removed_at"),
    )


class DiskInline(ReadOnlyInline):
    model = VMDisk
    fields = ("disk_id", "label", "capacity_bytes", "vmdk_path", "unprotected_reason", "removed_at")
    show_change_link = True


class VMContextAdmin(KeptByVmrep):
    """What a VM is and how it is doing; `vmrep.web.admin.replication` adds the actions.

    Its repository is chosen on the VM's page, which says what a move means.
    """

    form = SeenForm
    editable = ("rpo_target_seconds",)
    list_display = (
        *("vm_name", "context_id", "vcenter", "current_status", "power_state"),
        *("total_jobs_run", "failed_jobs", "last_job_at", "unmanaged_at"),
    )
    list_filter = (
        *("current_status", "vcenter", "power_state"),
        ("unmanaged_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("vcenter",)
    search_fields = ("context_id", *SPEC_SEARCH)
    inlines = (DiskInline, NetworkAdapterInline)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        names = [*columns(VMContext, without=SPEC_NAMES), *self.seen(request, obj)]
        return [(None, {"fields": names}), *spec_fieldsets()]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """An empty target: as the policies say."""
        if "rpo_target_seconds" not in form.changed_data:
            return
        target = services.target(obj.rpo_target_seconds)
        try:
            services.set_own(obj, target, actor=request.user.get_username())
        except ContextError as problem:
            self.message_user(request, str(problem), messages.ERROR)


@admin.register(VMDisk)
class VMDiskAdmin(KeptByVmrep):
    form = SeenForm
    editable = ("accept_unprotected",)
    list_display = (
        *("disk_id", "vm_context", "label", "capacity_bytes", "datastore"),
        *("unprotected_reason", "accept_unprotected", "tracking_doubt", "removed_at"),
    )
    list_filter = ("accept_unprotected", ("removed_at", admin.EmptyFieldListFilter))
    list_select_related = ("vm_context",)
    search_fields = ("disk_uuid", "label", "vmdk_path", "vm_context__vm_name", "vm_context__pk")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if "accept_unprotected" not in form.changed_data:
            return
        act = protection.leave_out if obj.accept_unprotected else protection.protect_again
        try:
            act(obj, actor=request.user.get_username())
        except ContextError as problem:
            self.message_user(request, str(problem), messages.ERROR)


@admin.register(VMNetworkAdapter)
class VMNetworkAdapterAdmin(KeptByVmrep):
    list_display = (
        *("adapter_id", "vm_context", "mac_address", "network_name", "adapter_type"),
        *("connected", "removed_at"),
    )
    list_filter = ("adapter_type", "connected", ("removed_at", admin.EmptyFieldListFilter))
    list_select_related = ("vm_context",)
    search_fields = ("mac_address", "network_name", "vm_context__vm_name", "vm_context__pk")


@admin.register(ContextEvent)
class ContextEventAdmin(KeptByVmrep):
    list_display = ("created_at", "vm_context", "old", "new", "reason", "actor", "job")
    list_filter = ("old", "new")
    list_select_related = ("vm_context", "job")
    search_fields = ("vm_context__vm_name", "vm_context__pk", "why", "actor", "told_job_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("-id")
