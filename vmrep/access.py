"""Who may do what with which object: the only way from a user and a key to a row.

Pages, the API and the admin read every single object through it. Today every logged-in user may do
everything on the pages and in the API, and the admin uses Django's own permissions; any change to
that belongs here.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404

from contexts.models import DiscoveredVM, VCenter, VMContext, VMDisk
from contexts.services.lookup import Among
from replication.models import (
    BandwidthWindow,
    BulkAction,
    GroupRun,
    Incident,
    IntegrityRun,
    Limit,
    Pause,
    Policy,
    PolicyScope,
    RecoveryPoint,
    ReplicationJob,
    Repository,
    RepositorySign,
    SignOfLife,
    VCenterSign,
    VMGroup,
    VMGroupMember,
)
from replication.selectors.health import Parts
from replication.selectors.home import Visible
from replication.selectors.usage import Limited
from replication.states import BulkKind
from vmrep.accounts.models import Token
from vmrep.notifications.models import Channel, Rule
from vmrep.web.models import SavedView

Row = TypeVar("Row", bound=Model)


class User(Protocol):
    """Django's user, logged in or not."""

    @property
    def is_active(self) -> bool: ...

    def has_perm(self, perm: str) -> bool: ...


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
    COMMENT = "comment"
    DELETE_POINT = "delete_point"
    PAUSE = "pause"
    MOVE = "move"


VERBS_OF_BULK = {
    BulkKind.REPLICATE: Verb.REPLICATE,
    BulkKind.COPY_IN_FULL: Verb.REPLICATE,
    BulkKind.CANCEL: Verb.CANCEL,
    BulkKind.POLICY: Verb.CHANGE,
    BulkKind.REPOSITORY: Verb.MOVE,
    BulkKind.PAUSE: Verb.PAUSE,
    BulkKind.RESUME: Verb.PAUSE,
    BulkKind.REMOVE: Verb.RELEASE,
}
"""What a user must be allowed to do with the VMs of a bulk action."""


class NotFound(Http404):
    """This user sees no such object; `code` is for programs, the message for people."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Forbidden(PermissionDenied):
    """This user may not do this."""


# What Django's admin calls the verbs; every other one is a change.
_IN_ADMIN = {Verb.VIEW: "view", Verb.ADD: "add", Verb.REMOVE: "delete"}


def may(user: User, verb: Verb, kind: type[Model]) -> bool:
    """Whether a user of the pages and the API may do this with objects of this kind."""
    return bool(user.is_active)


def may_in_admin(user: User, verb: Verb, kind: type[Model]) -> bool:
    """Whether a user of the admin may do this with objects of this kind. A user who may change
    them may also see them."""
    options = kind._meta

    def has(right: str) -> bool:
        return bool(user.has_perm(f"{options.app_label}.{right}_{options.model_name}"))

    right = _IN_ADMIN.get(verb, "change")
    return has(right) or (right == "view" and has("change"))


def require(user: User, verb: Verb, kind: type[Model]) -> None:
    """For actions without an object: adding one, or acting on all. Raises Forbidden."""
    if not may(user, verb, kind):
        raise Forbidden(f"You may not {verb.replace('_', ' ')} {kind._meta.verbose_name_plural}.")


def rows(user: User, verb: Verb, among: QuerySet[Row]) -> QuerySet[Row]:
    """The rows with which the user may do this. Raises Forbidden."""
    require(user, verb, among.model)
    return among


def scope(user: User) -> Hashable:
    """Identifies what the user sees. Users with the same scope see the same rows, so numbers that
    were counted for one of them are valid for the others."""
    return "everything"


def visible(user: User) -> Visible:
    """What the home page counts for this user. Raises Forbidden."""
    return Visible(
        contexts=rows(user, Verb.VIEW, VMContext.objects.all()),
        jobs=rows(user, Verb.VIEW, ReplicationJob.objects.all()),
        repositories=repositories(user),
    )


def vcenters(user: User) -> QuerySet[VCenter]:
    """The vCenters that the user sees, for choices. Raises Forbidden."""
    return rows(user, Verb.VIEW, VCenter.objects.order_by("name"))


def repositories(user: User) -> QuerySet[Repository]:
    """The repositories that the user sees, for choices. Raises Forbidden."""
    return rows(user, Verb.VIEW, Repository.objects.all())


def integrity_runs(user: User) -> QuerySet[IntegrityRun]:
    """Raises Forbidden."""
    return rows(user, Verb.VIEW, IntegrityRun.objects.all())


def parts(user: User) -> Parts:
    """What the user may see of who is alive. Raises Forbidden."""
    return Parts(
        signs=rows(user, Verb.VIEW, SignOfLife.objects.all()),
        vcenters=rows(user, Verb.VIEW, VCenterSign.objects.all()),
        repositories=rows(user, Verb.VIEW, RepositorySign.objects.all()),
    )


def limited(user: User) -> Limited:
    """What the user may see of limits, and of what they limit. Raises Forbidden."""
    return Limited(
        vcenters=rows(user, Verb.VIEW, VCenter.objects.all()),
        repositories=rows(user, Verb.VIEW, Repository.objects.all()),
        limits=rows(user, Verb.VIEW, Limit.objects.all()),
        windows=rows(user, Verb.VIEW, BandwidthWindow.objects.all()),
        jobs=rows(user, Verb.VIEW, ReplicationJob.objects.all()),
        contexts=rows(user, Verb.VIEW, VMContext.objects.all()),
    )


def incidents(user: User) -> QuerySet[Incident]:
    """Raises Forbidden."""
    return rows(user, Verb.VIEW, Incident.objects.all())


def findable(user: User, with_context: Verb, with_discovered: Verb) -> Among:
    """The VMs that the user may name by their identity to do this with. Raises Forbidden."""
    return Among(
        vcenters=rows(user, Verb.VIEW, VCenter.objects.all()),
        contexts=rows(user, with_context, VMContext.objects.all()),
        discovered=rows(user, with_discovered, DiscoveredVM.objects.all()),
    )


def rows_in_admin(user: User, among: QuerySet[Row]) -> QuerySet[Row]:
    """The rows that the user may see in the admin, which asks `may_in_admin` what the user may do
    with them."""
    return among


def context(user: User, context_id: str, verb: Verb) -> VMContext:
    """A VM context with its vCenter. Raises NotFound or Forbidden, like all getters below."""
    return context_among(VMContext.objects.select_related("vcenter"), user, context_id, verb)


def context_among(among: QuerySet[Row], user: User, context_id: str, verb: Verb) -> Row:
    """A VM context, as these rows of a selector have it."""
    return _the_one(
        rows(user, verb, among).filter(pk=context_id),
        f"There is no VM context {context_id!r}.",
        "unknown_vm",
    )


def disk(user: User, vm: VMContext, disk_id: int, verb: Verb) -> VMDisk:
    """A disk of this VM."""
    return _the_one(
        rows(user, verb, vm.disks.select_related("vm_context")).filter(pk=disk_id),
        f"{vm} has no disk {disk_id}.",
        "unknown_disk",
    )


def job(
    user: User, job_id: str, verb: Verb, *, among: QuerySet[ReplicationJob] | None = None
) -> ReplicationJob:
    """A replication job; with `among`, as those rows have it."""
    if among is None:
        among = ReplicationJob.objects.all()
    return _the_one(
        rows(user, verb, among).filter(pk=job_id),
        f"There is no replication job {job_id!r}.",
        "unknown_job",
    )


def vcenter(
    user: User, vcenter_id: int, verb: Verb, *, among: QuerySet[VCenter] | None = None
) -> VCenter:
    """A vCenter; with `among`, as those rows have it."""
    if among is None:
        among = VCenter.objects.all()
    return _the_one(
        rows(user, verb, among).filter(pk=vcenter_id),
        f"There is no vCenter {vcenter_id}.",
        "unknown_vcenter",
    )


def discovered_vm(user: User, vcenter_id: int, vm_id: int, verb: Verb) -> DiscoveredVM:
    """A VM that a vCenter's discovery found."""
    vm = DiscoveredVM.objects.filter(pk=vm_id)
    message = f"Discovery found no VM {vm_id} in vCenter {vcenter_id}."
    found = _the_one(rows(user, verb, vm), message, "unknown_vm")
    if found.vcenter_id != vcenter_id:
        raise NotFound(message, code="unknown_vm")
    return found


def repository(
    user: User, repository_id: int, verb: Verb, *, among: QuerySet[Repository] | None = None
) -> Repository:
    """A repository; with `among`, as those rows have it."""
    if among is None:
        among = Repository.objects.all()
    return _the_one(
        rows(user, verb, among).filter(pk=repository_id),
        f"There is no repository {repository_id}.",
        "unknown_repository",
    )


def point(
    user: User,
    point_id: int,
    verb: Verb,
    *,
    among: QuerySet[RecoveryPoint] | None = None,
    of: VMContext | None = None,
) -> RecoveryPoint:
    """A recovery point (of that VM); with `among`, as those rows have it."""
    if among is None:
        among = RecoveryPoint.objects.all()
    if of is not None:
        among = among.filter(vm_context=of)
    return _the_one(
        rows(user, verb, among).filter(pk=point_id),
        f"There is no recovery point {point_id}.",
        "unknown_point",
    )


def bandwidth_window(user: User, window_id: int, verb: Verb) -> BandwidthWindow:
    return _the_one(
        rows(user, verb, BandwidthWindow.objects.all()).filter(pk=window_id),
        f"There is no limit of bandwidth {window_id}.",
        "unknown_window",
    )


def bulk_actions(user: User) -> QuerySet[BulkAction]:
    """The bulk actions that the user sees. Raises Forbidden."""
    return rows(user, Verb.VIEW, BulkAction.objects.all())


def bulk_action(user: User, action_id: int, verb: Verb) -> BulkAction:
    return _the_one(
        rows(user, verb, BulkAction.objects.all()).filter(pk=action_id),
        f"There is no bulk action {action_id}.",
        "unknown_bulk_action",
    )


def pauses(user: User) -> QuerySet[Pause]:
    """The pauses that the user sees. Raises Forbidden."""
    return rows(user, Verb.VIEW, Pause.objects.all())


def pause(user: User, pause_id: int, verb: Verb) -> Pause:
    return _the_one(
        rows(user, verb, Pause.objects.all()).filter(pk=pause_id),
        f"There is no pause {pause_id}.",
        "unknown_pause",
    )


def groups(user: User) -> QuerySet[VMGroup]:
    """The groups that the user sees, for lists and choices. Raises Forbidden."""
    return rows(user, Verb.VIEW, VMGroup.objects.order_by("name"))


def group(user: User, group_id: int, verb: Verb) -> VMGroup:
    return _the_one(
        rows(user, verb, VMGroup.objects.all()).filter(pk=group_id),
        f"There is no group {group_id}.",
        "unknown_group",
    )


def group_member(user: User, group: VMGroup, member_id: int, verb: Verb) -> VMGroupMember:
    """A VM of this group."""
    members = group.members.select_related("group", "vm_context")
    return _the_one(
        rows(user, verb, members).filter(pk=member_id),
        f"The group {group} has no member {member_id}.",
        "unknown_member",
    )


def group_runs(user: User, group: VMGroup) -> QuerySet[GroupRun]:
    """The runs of this group that the user sees. Raises Forbidden."""
    return rows(user, Verb.VIEW, group.runs.order_by("-pk"))


def policy(
    user: User, policy_id: int, verb: Verb, *, among: QuerySet[Policy] | None = None
) -> Policy:
    """A policy with a name (a VM's own values are reached through the VM); with `among`, as those
    rows have it."""
    if among is None:
        among = policies(user)
    return _the_one(
        rows(user, verb, among).filter(pk=policy_id),
        f"There is no policy {policy_id}.",
        "unknown_policy",
    )


def policies(user: User) -> QuerySet[Policy]:
    """The policies that the user sees, for lists and choices. Raises Forbidden."""
    return rows(user, Verb.VIEW, Policy.objects.filter(name__isnull=False).order_by("name"))


def policy_scope(user: User, policy: Policy, scope_id: int, verb: Verb) -> PolicyScope:
    """A place where this policy applies."""
    return _the_one(
        rows(user, verb, policy.scopes.select_related("policy")).filter(pk=scope_id),
        f"Policy {policy} applies to no place {scope_id}.",
        "unknown_scope",
    )


def channel(
    user: User, channel_id: int, verb: Verb, *, among: QuerySet[Channel] | None = None
) -> Channel:
    """A channel of notifications; with `among`, as those rows have it."""
    if among is None:
        among = Channel.objects.all()
    return _the_one(
        rows(user, verb, among).filter(pk=channel_id),
        f"There is no notification channel {channel_id}.",
        "unknown_channel",
    )


def rule(user: User, rule_id: int, verb: Verb) -> Rule:
    """A rule of notifications."""
    return _the_one(
        rows(
            user, verb, Rule.objects.select_related("channel", "vcenter", "policy", "vm_context")
        ).filter(pk=rule_id),
        f"There is no notification rule {rule_id}.",
        "unknown_rule",
    )


def saved_views(user: User) -> QuerySet[SavedView]:
    """The user's own views of the lists, and those that others share. Raises Forbidden."""
    seen: Any = Q(user=user) | Q(is_shared=True)
    return rows(user, Verb.VIEW, SavedView.objects.filter(seen))


def own_views(user: User) -> QuerySet[SavedView]:
    """Those that the user has kept. Raises Forbidden."""
    mine: Any = {"user": user}
    return rows(user, Verb.VIEW, SavedView.objects.filter(**mine))


def default_view(user: User, page: str) -> SavedView | None:
    """The one with which the user wants the page to begin. Raises Forbidden."""
    return own_views(user).filter(page=page, is_default=True).first()


def saved_view(user: User, view_id: int, verb: Verb) -> SavedView:
    """One of the user's own."""
    require(user, verb, SavedView)
    return _the_one(
        own_views(user).filter(pk=view_id),
        f"You have no saved view {view_id}.",
        "unknown_view",
    )


def own_tokens(user: User) -> QuerySet[Token]:
    """Nobody sees those of others. Raises Forbidden."""
    mine: Any = {"user": user}
    return rows(user, Verb.VIEW, Token.objects.filter(**mine))


def own_token(user: User, token_id: int, verb: Verb) -> Token:
    """One of the user's own."""
    require(user, verb, Token)
    return _the_one(
        own_tokens(user).filter(pk=token_id),
        f"You have no token {token_id}.",
        "unknown_token",
    )


def _the_one(found: QuerySet[Row], message: str, code: str) -> Row:
    row = found.first()
    if row is None:
        raise NotFound(message, code=code)
    return row
