"""Which role may do what with which kind of object: the one table for pages, API and admin.

docs/accounts.md shows it to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.contrib.auth.models import User
from django.db.models import Model

from contexts.models import (
    ContextEvent,
    DiscoveredVM,
    Discovery,
    VCenter,
    VMContext,
    VMDisk,
    VMNetworkAdapter,
)
from replication.models import (
    BandwidthWindow,
    BulkAction,
    BulkItem,
    CBTHistory,
    ContextLease,
    DiskImage,
    EffectivePolicy,
    GroupRun,
    GroupRunMember,
    Incident,
    IntegrityFinding,
    IntegrityRun,
    JobLogLine,
    JobStep,
    Limit,
    Occurrence,
    Pause,
    Place,
    Policy,
    PolicyScope,
    PolicyWindow,
    RecoveryPoint,
    RecoveryPointHold,
    ReplicationJob,
    Repository,
    RepositorySign,
    SignOfLife,
    Tally,
    VCenterSign,
    VMGroup,
    VMGroupMember,
    VMSchedule,
    VMSnapshot,
)
from vmrep.accounts.models import Scope, Session, Token
from vmrep.accounts.roles import Role
from vmrep.notifications.models import Channel, Delivery, Rule
from vmrep.trail.models import Event
from vmrep.web.models import SavedView


class Verb(StrEnum):
    """What a user wants to do with an object."""

    VIEW = "view"
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    TEST = "test"
    DISCOVER = "discover"
    TAKE = "take"
    REPLICATE = "replicate"
    CANCEL = "cancel"
    RELEASE = "release"
    DELETE_REPLICA = "delete_replica"
    IDENTIFY = "identify"
    CHECK = "check"
    LIMIT = "limit"
    PIN = "pin"
    VERIFY = "verify"
    UNPIN = "unpin"
    COMMENT = "comment"
    DELETE_POINT = "delete_point"
    PAUSE = "pause"
    MOVE = "move"
    SET_TARGET = "set_target"
    GROUP = "group"
    DIAGNOSE = "diagnose"


_ALL = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


def _by(*, viewer: str = "", operator: str = "", admin: str = "") -> dict[Verb, Role]:
    """The verbs of each role, by their values; a role may do what the ones before it may."""
    of_roles = zip(_ALL, (viewer, operator, admin), strict=True)
    return {Verb(verb): role for role, verbs in of_roles for verb in verbs.split()}


_SEEN = _by(viewer="view")
_SEEN_BY_ADMINS = _by(admin="view")

RIGHTS: Mapping[type[Model], Mapping[Verb, Role]] = {
    VMContext: _by(
        viewer="view",
        operator="replicate cancel pause identify move set_target group verify",
        # What is wanted for a VM says what is kept of it, too, and so what is deleted.
        admin="change release delete_replica delete_point",
    ),
    DiscoveredVM: _by(viewer="view", operator="take identify"),
    VMDisk: _by(viewer="view", admin="change"),
    # A bundle tells of hosts, accounts and folders, too.
    ReplicationJob: _by(viewer="view", operator="replicate cancel diagnose"),
    # Without its pin, retention may delete a point.
    RecoveryPoint: _by(viewer="view", operator="pin comment verify", admin="unpin delete_point"),
    VCenter: _by(viewer="view", operator="discover test pause", admin="add change remove"),
    Repository: _by(viewer="view", admin="add change remove"),
    Policy: _by(viewer="view", operator="pause", admin="add change remove"),
    PolicyScope: _by(viewer="view", admin="remove"),
    VMGroup: _by(viewer="view", operator="add change remove replicate cancel"),
    VMGroupMember: _by(viewer="view", operator="change"),
    Pause: _by(viewer="view", operator="pause"),
    BulkAction: _by(viewer="view", operator="cancel"),
    Limit: _by(viewer="view", admin="limit"),
    BandwidthWindow: _by(viewer="view", admin="limit remove"),
    IntegrityRun: _by(viewer="view", operator="check"),
    Channel: _by(viewer="view", admin="add change remove test"),
    Rule: _by(viewer="view", admin="add change remove"),
    SavedView: _by(viewer="view add change remove"),  # one's own
    User: _by(admin="view add change"),
    Scope: _by(admin="view change"),
    Event: _by(admin="view"),
    **dict.fromkeys(
        (
            *(BulkItem, ContextEvent, Delivery, GroupRun, GroupRunMember, Incident),
            *(IntegrityFinding, Occurrence, RepositorySign, SignOfLife, Tally, VCenterSign),
        ),
        _SEEN,
    ),
    # Pages show what is in them; as rows they are for Django's admin.
    **dict.fromkeys(
        (
            *(CBTHistory, ContextLease, Discovery, DiskImage, EffectivePolicy, JobLogLine),
            *(JobStep, Place, PolicyWindow, RecoveryPointHold, VMNetworkAdapter, VMSchedule),
            VMSnapshot,
        ),
        _SEEN_BY_ADMINS,
    ),
}
"""The least role that may do it. What is not in it, nobody may do."""

OF_EVERY_USER: Mapping[type[Model], frozenset[Verb]] = {
    Token: frozenset({Verb.VIEW, Verb.ADD, Verb.REMOVE}),
    Session: frozenset({Verb.VIEW, Verb.CHANGE, Verb.REMOVE}),
}
"""What users do with what is theirs alone, even without a role."""

DANGEROUS: Mapping[Verb, frozenset[type[Model]]] = {
    Verb.DELETE_REPLICA: frozenset({VMContext}),
    Verb.DELETE_POINT: frozenset({RecoveryPoint, VMContext}),
    # What a pin kept, or a policy's rules, retention may delete without them.
    Verb.UNPIN: frozenset({RecoveryPoint}),
    Verb.REMOVE: frozenset({VCenter, Repository, PolicyScope}),
    # Whom vmrep trusts, and to whom it gives a password; who may do what. And what is kept of VMs:
    # by a policy, where it applies, and what is wanted for one VM.
    Verb.CHANGE: frozenset({VCenter, User, Scope, Policy, VMContext}),
    # A session that was left open would become a login that does not end.
    Verb.ADD: frozenset({Token, User}),
}
"""What deletes data, itself or through retention, or changes what or who is trusted: a session
needs the password anew, a token the scope for it."""

OF_ALL_VMS = frozenset({Repository, Policy, PolicyScope, Limit, BandwidthWindow})
"""What concerns all VMs: whoever has a scope may see it, and change nothing."""

NOT_WITH_A_SCOPE = frozenset({Channel, Rule, Delivery, IntegrityRun, IntegrityFinding, User, Scope})
"""What tells of all VMs, and is not seen by whoever has a scope."""


def least_role(verb: Verb, kind: type[Model]) -> Role | None:
    """None: nobody may."""
    return RIGHTS.get(kind, {}).get(verb)
