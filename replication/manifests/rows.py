"""A VM's rows from its manifest, once its files were looked at.

What the database has of the VM already, because it is an older copy of itself, is brought up to
what the manifest says: found by the job that made it, or the file that it is. Called in one
transaction for each VM, under its lock and its lease.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q
from django.db.models.functions import Now

from contexts.clock import database_now
from contexts.models import VMContext, VMDisk
from replication.engine.manifest import DiskPart, ImagePart, JobPart, PointPart
from replication.errors import RestoreRefused
from replication.manifests.looking import FoundImage, Looked
from replication.models import (
    CBTHistory,
    DiskImage,
    ImageMerge,
    JobStep,
    PointRemoval,
    PointSnapshot,
    RecoveryPoint,
    RecoveryPointHold,
    ReplicationJob,
    Repository,
)
from replication.services import results
from replication.states import (
    ACTIVE_JOB_STATUSES,
    ImageState,
    JobStatus,
    MergeStage,
    RecoveryPointState,
    RemovalState,
    RemovalWhy,
    StepStatus,
    type_of,
)

_KEPT = (RecoveryPointState.AVAILABLE, RecoveryPointState.EXPIRING)


class Rows:
    """Writes the rows of one VM's points in one repository."""

    def __init__(self, context: VMContext, repository: Repository, looked: Looked) -> None:
        self._context, self._repository, self._looked = context, repository, looked
        self._disks: dict[int, VMDisk] = {}
        self._points: dict[int, RecoveryPoint] = {}
        self._images: dict[int, DiskImage] = {}
        self.new_points = self.gone_points = 0
        self._now = database_now()

    def write(self) -> None:
        """All of it."""
        self._write_disks()
        self._end_removals()
        for point in self._looked.points:
            self._write_point(point)
        self._forget_what_went()
        for point in self._looked.points:
            if point.removal is not None:
                self._let_go(point)
        self._renumber()

    def _write_disks(self) -> None:
        """Each disk is the known one with its key and UUID; of several, one that is there, or gone,
        as the manifest says."""
        left = list(VMDisk.objects.filter(vm_context=self._context))
        for part in self._looked.vm.disks:
            same = [
                it for it in left if (it.disk_id, it.disk_uuid) == (part.disk_id, part.disk_uuid)
            ]
            same.sort(key=lambda it: (it.removed_at is None) != (part.removed_at is None))
            if same:
                left.remove(same[0])
            self._disks[part.number] = same[0] if same else self._new_disk(part)

    def _new_disk(self, part: DiskPart) -> VMDisk:
        return VMDisk.objects.create(
            vm_context=self._context,
            disk_id=part.disk_id,
            device_key=part.device_key,
            disk_uuid=part.disk_uuid,
            label=part.label,
            capacity_bytes=part.capacity_bytes,
            vmdk_path=part.vmdk_path,
            datastore=part.datastore,
            backing_type=part.backing_type,
            provisioning_type=part.provisioning_type,
            disk_mode=part.disk_mode,
            sharing=part.sharing,
            controller_type=part.controller_type,
            unprotected_reason=part.unprotected_reason,
            accept_unprotected=part.accept_unprotected,
            tracking_doubt=part.tracking_doubt,
            removed_at=part.removed_at,
        )

    def _renumber(self) -> None:
        """A disk that was read whole for a point, and is not believed to be as tracked before it:
        by the number that the point has now."""
        for part in self._looked.vm.disks:
            if part.read_whole_at_point is None:
                continue
            later = [it for it in self._points if it >= part.read_whole_at_point]
            newest = max((it.pk for it in self._points.values()), default=0)
            # Without one, it was in another repository or is gone: the next one is compared whole.
            number = self._points[min(later)].pk if later else newest + 1
            VMDisk.objects.filter(pk=self._disks[part.number].pk).filter(
                Q(read_whole_at_point__isnull=True) | Q(read_whole_at_point__lt=number)
            ).update(read_whole_at_point=number)

    def _end_removals(self) -> None:
        """What was under way when the database was copied: how far it is, the manifest tells."""
        here = PointRemoval.objects.filter(
            vm_context=self._context, recovery_point__repository=self._repository
        ).exclude(state=RemovalState.DONE)
        ImageMerge.objects.filter(removal__in=here).delete()
        here.delete()
        RecoveryPoint.objects.filter(
            vm_context=self._context,
            repository=self._repository,
            state=RecoveryPointState.EXPIRING,
        ).update(state=RecoveryPointState.AVAILABLE)

    def _write_point(self, part: PointPart) -> None:
        found = [self._looked.images[image.number] for image in part.images]
        job = self._job(part.job, found)
        point = RecoveryPoint.objects.filter(job=job).first()
        if point is None:
            point = self._new_point(part, job)
        elif point.state != RecoveryPointState.AVAILABLE or point.repository != self._repository:
            raise RestoreRefused(
                f"{self._context.pk}: the database says of the recovery point of {job.pk} that it"
                f" is {point.get_state_display().lower()} in {point.repository}, the manifest that"
                f" it is in {self._repository}."
            )
        self._points[part.number] = point
        RecoveryPoint.objects.filter(pk=point.pk).update(comment=part.comment)
        RecoveryPointHold.objects.filter(recovery_point=point).delete()
        RecoveryPointHold.objects.bulk_create(
            RecoveryPointHold(
                recovery_point=point,
                kind=hold.kind,
                owner=hold.owner,
                comment=hold.comment,
                expires_at=hold.expires_at,
            )
            for hold in part.holds
            if hold.expires_at is None or hold.expires_at > self._now
        )
        for image in found:
            self._write_image(image, point, job)
        self._write_history(job)

    def _new_point(self, part: PointPart, job: ReplicationJob) -> RecoveryPoint:
        self.new_points += 1
        point = RecoveryPoint.objects.create(
            vm_context=self._context,
            repository=self._repository,
            job=job,
            consistent_at=part.consistent_at,
            quiesced=part.quiesced,
            disk_count=len(part.images),
            state=RecoveryPointState.AVAILABLE,
            source_moref=part.source_moref,
            snapshot_taken_at=part.snapshot_taken_at,
            source_booted_at=part.source_booted_at,
            snapshots_known=part.snapshots_known,
        )
        PointSnapshot.objects.bulk_create(
            PointSnapshot(
                recovery_point=point,
                moref=one.moref,
                parent_moref=one.parent_moref,
                taken_at=one.taken_at,
                is_current=one.is_current,
            )
            for one in part.snapshots
        )
        return point

    def _job(self, part: JobPart, found: Sequence[FoundImage]) -> ReplicationJob:
        """The completed job. One that was under way when the database was copied has completed."""
        known = ReplicationJob.objects.filter(pk=part.id).first()
        if known is not None and (
            known.vm_context_id != self._context.pk
            or known.status not in (*ACTIVE_JOB_STATUSES, JobStatus.COMPLETED)
        ):
            raise RestoreRefused(
                f"{self._context.pk}: {part.id} is another replication in the database, which is"
                f" {known.get_status_display().lower()}."
            )
        if known is not None and known.status == JobStatus.COMPLETED:
            return known
        JobStep.objects.filter(job=part.id, status=StepStatus.RUNNING).update(
            status=StepStatus.COMPLETED, completed_at=Now()
        )
        job, _ = ReplicationJob.objects.update_or_create(
            pk=part.id,
            defaults={
                "vm_context": self._context,
                "repository": self._repository,
                "source_vm_id": part.source_vm_id,
                "source_vm_name": part.source_vm_name,
                "status": JobStatus.COMPLETED,
                "replication_type": type_of([it.part.sync_type for it in found]),
                "trigger": part.trigger,
                "requested_by": part.requested_by,
                "requested_sync": part.requested_sync,
                "current_operation": "",
                "bytes_transferred": part.total_bytes,
                "total_bytes": part.total_bytes,
                "error_message": "",
                "attempt": part.attempt,
                "next_attempt_at": None,
                "waits_for_kind": "",
                "waits_for": "",
                "transport": part.transport,
                "transport_reason": part.transport_reason,
                "worker_name": part.worker_name,
                "started_at": part.started_at,
                "completed_at": part.completed_at,
            },
        )
        ReplicationJob.objects.filter(pk=part.id).update(created_at=part.created_at)
        return job

    def _write_image(self, found: FoundImage, point: RecoveryPoint, job: ReplicationJob) -> None:
        part = found.part
        image, _ = DiskImage.objects.update_or_create(
            repository=self._repository,
            locator=part.locator,
            defaults={
                **_copied(part),
                "vm_context": self._context,
                "disk": self._disks[part.disk],
                "job": job,
                "recovery_point": point,
                "parent": None if found.parent is None else self._images[found.parent],
                "of_disks": point.disk_count,
                "state": ImageState.COMMITTED,
                "extent_map": None,
                "transferred_bytes": part.planned_bytes,
                "allocated_bytes": part.allocated_bytes if found.is_there else 0,
                "merged_digest": found.merged_digest,
                "map_digest": found.map_digest,
                "as_committed": found.as_committed,
            },
        )
        self._images[part.number] = image

    def _write_history(self, job: ReplicationJob) -> None:
        """What change tracking reported of each disk, as the image has it."""
        known = CBTHistory.objects.filter(job=job).values("disk")
        images = DiskImage.objects.filter(job=job, state=ImageState.COMMITTED)
        results.record_cbt(list(images.exclude(disk__in=known)), success=True)

    def _forget_what_went(self) -> None:
        """Points that the repository does not know of any more were removed since. What is only
        left out, because its files are not as they must be, stays for the integrity check."""
        there = {point.job.id for point in self._looked.vm.points}
        gone = RecoveryPoint.objects.filter(
            vm_context=self._context, repository=self._repository, state__in=_KEPT
        ).exclude(job__in=there)
        keys = list(gone.values_list("pk", flat=True))
        self.gone_points = len(keys)
        RecoveryPointHold.objects.filter(recovery_point__in=keys).delete()
        RecoveryPoint.objects.filter(pk__in=keys).update(
            state=RecoveryPointState.EXPIRED, expired_at=Now(), expired_why=RemovalWhy.POLICY
        )
        DiskImage.objects.filter(recovery_point__in=keys).update(
            state=ImageState.DELETING, updated_at=Now()
        )

    def _let_go(self, part: PointPart) -> None:
        """The removal of a point was under way: whoever takes the lease next goes on with it."""
        if part.removal is None:
            return
        point = self._points[part.number]
        removal, _ = PointRemoval.objects.update_or_create(
            recovery_point=point,
            defaults={
                "vm_context": self._context,
                "why": part.removal.why,
                "requested_by": part.removal.requested_by,
                "state": RemovalState.UNDER_WAY,
                "started_at": Now(),
                "ended_at": None,
            },
        )
        RecoveryPoint.objects.filter(pk=point.pk).update(state=RecoveryPointState.EXPIRING)
        for image in part.images:
            child = self._looked.child_of(image.number)
            # Whether the file was changed already nobody knows: the row says that it may be.
            ImageMerge.objects.create(
                removal=removal,
                image=self._images[image.number],
                child=None if child is None else self._images[child.part.number],
                stage=MergeStage.DONE if child is None else MergeStage.MERGING,
            )


def _copied(part: ImagePart) -> dict[str, object]:
    names = (
        *("position", "attempt", "format", "sync_type", "capacity_bytes", "planned_bytes"),
        *("plan_note", "extent_count", "transfer_seconds", "change_id", "previous_change_id"),
        *("snapshot_moref", "digest"),
    )
    return {name: getattr(part, name) for name in names}
