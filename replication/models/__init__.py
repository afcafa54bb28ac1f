from replication.models.bulk import BulkAction, BulkItem
from replication.models.cbt import CBTHistory
from replication.models.damages import ImageDamage
from replication.models.groups import GroupRun, GroupRunMember, VMGroup, VMGroupMember
from replication.models.health import Incident, SignOfLife, VCenterSign
from replication.models.images import DiskImage
from replication.models.installation import Installation
from replication.models.integrity import IntegrityFinding, IntegrityRun
from replication.models.jobs import JobStep, ReplicationJob
from replication.models.leases import ContextLease
from replication.models.limits import BandwidthWindow, Limit, Place
from replication.models.manifests import ReplicaManifest
from replication.models.occurrences import Occurrence, ProtectionSpell
from replication.models.policies import (
    EffectivePolicy,
    Policy,
    PolicyScope,
    PolicyTaking,
    PolicyWindow,
)
from replication.models.recovery import PointSnapshot, RecoveryPoint, RecoveryPointHold
from replication.models.removals import ImageMerge, PointRemoval
from replication.models.repositories import Repository, RepositorySign, RepositorySpace
from replication.models.schedules import Pause, VMSchedule
from replication.models.snapshots import VMSnapshot
from replication.models.tallies import Tally
from replication.models.telemetry import JobLogLine, JobSample
from replication.models.verifications import PointVerification, VerificationDamage

__all__ = [
    "BandwidthWindow",
    "BulkAction",
    "BulkItem",
    "CBTHistory",
    "ContextLease",
    "DiskImage",
    "EffectivePolicy",
    "GroupRun",
    "GroupRunMember",
    "ImageDamage",
    "ImageMerge",
    "Incident",
    "Installation",
    "IntegrityFinding",
    "IntegrityRun",
    "JobLogLine",
    "JobSample",
    "JobStep",
    "Limit",
    "Occurrence",
    "Pause",
    "Place",
    "PointRemoval",
    "PointSnapshot",
    "PointVerification",
    "Policy",
    "PolicyScope",
    "PolicyTaking",
    "PolicyWindow",
    "ProtectionSpell",
    "RecoveryPoint",
    "RecoveryPointHold",
    "ReplicaManifest",
    "ReplicationJob",
    "Repository",
    "RepositorySign",
    "RepositorySpace",
    "SignOfLife",
    "Tally",
    "VCenterSign",
    "VMGroup",
    "VMGroupMember",
    "VMSchedule",
    "VMSnapshot",
    "VerificationDamage",
]
