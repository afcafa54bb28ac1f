"""What faces read of verifications."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from replication.models import PointVerification, RecoveryPoint, VerificationDamage


def newest_verifications() -> Prefetch[Any]:
    """For a query of recovery points: `last_verifications` has the newest of each, if any."""
    later = PointVerification.objects.filter(
        recovery_point=OuterRef("recovery_point"), pk__gt=OuterRef("pk")
    )
    newest = PointVerification.objects.filter(~Exists(later))
    return Prefetch("verifications", queryset=newest, to_attr="last_verifications")


def damages_of(point: RecoveryPoint, limit: int) -> list[VerificationDamage]:
    """What the newest verification of a point, read with `newest_verifications`, found."""
    for last in getattr(point, "last_verifications", []):
        rows = VerificationDamage.objects.filter(verification=last.pk)
        return list(rows.select_related("disk", "image").order_by("pk")[:limit])
    return []


def of_point(point_id: int) -> QuerySet[PointVerification]:
    """The newest first, with what each found."""
    rows = PointVerification.objects.filter(recovery_point=point_id)
    return rows.select_related("recovery_point", "vm_context").order_by("-pk")


def as_dict(verification: PointVerification) -> dict[str, Any]:
    """For the command's JSON."""
    point = verification.recovery_point
    return {
        "id": verification.pk,
        "recovery_point_id": point.pk,
        "context_id": verification.vm_context_id,
        "vm_name": verification.vm_context.vm_name,
        "consistent_at": point.consistent_at.isoformat(),
        "state": verification.state,
        "problem": verification.problem,
        "total_bytes": verification.total_bytes,
        "read_bytes": verification.read_bytes,
        "damage_count": verification.damage_count,
        "damages": [
            {
                "disk_id": damage.disk.disk_id,
                "file": damage.image.locator if damage.image else None,
                "offset_bytes": damage.offset_bytes,
                "length_bytes": damage.length_bytes,
                "what": damage.what,
            }
            for damage in verification.damages.select_related("disk", "image").order_by("pk")
        ],
    }
