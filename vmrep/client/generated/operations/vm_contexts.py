"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class VmContextsFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    group: Sequence[int] | None
    last_job: Sequence[str] | None
    ordering: Sequence[str] | None
    os: str | None
    power_state: Sequence[str] | None
    protection: Sequence[str] | None
    search: str | None
    status: Sequence[str] | None
    taken: str | None
    vcenter: Sequence[int] | None
    vcenter_host: str | None
    vm_name: str | None
    vmware_vm_id: str | None


class VmContextsQuery(VmContextsFilter, Page, total=False):
    pass


class VmContextRetentionPreviewQuery(TypedDict, total=False):
    keep_daily: int | None
    keep_hourly: int | None
    keep_last: int | None
    keep_monthly: int | None
    keep_weekly: int | None
    keep_yearly: int | None


class VmContextLookupQuery(TypedDict, total=False):
    vcenter_host: str | None
    vm_name: str | None
    vmware_vm_id: str | None


class VmContexts(Calls):
    def get_vm_contexts(self, **query: Unpack[VmContextsQuery]) -> models.ContextRowPage:
        """The VMs under management; with `vm_name`, `vcenter_host` or `vmware_vm_id`: one of them,
        in full."""
        return self._get("/api/v1/vm-contexts/", query=query)

    def all_vm_contexts(self, **query: Unpack[VmContextsFilter]) -> Iterator[models.ContextRow]:
        """All rows of `get_vm_contexts`, page by page."""
        return self._rows("/api/v1/vm-contexts/", query=query)

    def post_vm_contexts(
        self, body: models.Take | None = None, *, idempotency_key: str | None = None
    ) -> models.TakenAnswer:
        """Take discovered VMs under management."""
        return self._once("/api/v1/vm-contexts/", body=body, key=idempotency_key)

    def get_vm_context(self, context_id: str) -> models.EverythingAnswer:
        """Everything about one VM."""
        return self._get("/api/v1/vm-contexts/{}/", context_id)

    def patch_vm_context(
        self, context_id: str, body: models.ChangedContext, *, if_match: str | None = None
    ) -> models.EverythingAnswer:
        """What is wanted for it alone."""
        return self._send(
            "PATCH", "/api/v1/vm-contexts/{}/", context_id, body=body, if_match=if_match
        )

    def post_vm_context_confirm_identity(
        self, context_id: str, body: models.SameVM | None = None
    ) -> models.EverythingAnswer:
        """It is the same VM: its history continues."""
        return self._send("POST", "/api/v1/vm-contexts/{}/confirm-identity/", context_id, body=body)

    def post_vm_context_delete_replica_data(
        self, context_id: str, body: models.ConfirmDeletion
    ) -> models.RemovedAnswer:
        """Delete all recovery points of the VM, managed or not; `confirm_vm_name` is its name."""
        return self._send(
            "POST", "/api/v1/vm-contexts/{}/delete-replica-data/", context_id, body=body
        )

    def post_vm_context_move(self, context_id: str, body: models.Move) -> models.MovedAnswer:
        """The VM's next replication goes into another repository."""
        return self._send("POST", "/api/v1/vm-contexts/{}/move/", context_id, body=body)

    def post_vm_context_reject_identity(
        self, context_id: str, body: models.SameVM | None = None
    ) -> models.EverythingAnswer:
        """It is another VM, which can be taken under management as a new one."""
        return self._send("POST", "/api/v1/vm-contexts/{}/reject-identity/", context_id, body=body)

    def post_vm_context_release(
        self, context_id: str, body: models.Release | None = None
    ) -> models.RemovedAnswer:
        """Remove the VM from management. Record, history and recovery points stay; with
        `delete_replica_data` and `confirm_vm_name` the recovery points go, too."""
        return self._send("POST", "/api/v1/vm-contexts/{}/release/", context_id, body=body)

    def post_vm_context_replications(
        self,
        context_id: str,
        body: models.Sync | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> models.JobDetail:
        """Start a replication of this VM."""
        return self._once(
            "/api/v1/vm-contexts/{}/replications/", context_id, body=body, key=idempotency_key
        )

    def get_vm_context_retention_preview(
        self, context_id: str, **query: Unpack[VmContextRetentionPreviewQuery]
    ) -> models.RetentionPreviewAnswer:
        """Which of the VM's recovery points stay, and why, and which go in which order: by the
        rules in effect, or by those that are given. Nothing is changed."""
        return self._get("/api/v1/vm-contexts/{}/retention-preview/", context_id, query=query)

    def get_vm_context_rpo_history(self, context_id: str) -> models.ContextHistoryAnswer:
        """Shares of time within the target, and the VM's spells of the last 30 days."""
        return self._get("/api/v1/vm-contexts/{}/rpo-history/", context_id)

    def post_vm_context_verification(
        self, context_id: str, *, idempotency_key: str | None = None
    ) -> models.VerificationInDetail:
        """A worker reads the VM's newest recovery point back."""
        return self._once("/api/v1/vm-contexts/{}/verification/", context_id, key=idempotency_key)

    def get_vm_context_lookup(
        self, **query: Unpack[VmContextLookupQuery]
    ) -> models.EverythingAnswer:
        """The one VM that has this name at this vCenter, or this instance UUID, in full."""
        return self._get("/api/v1/vm-contexts/lookup/", query=query)
