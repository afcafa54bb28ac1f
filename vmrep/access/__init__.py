"""Who may do what with which object: the only way from a user and a key to a row.

Pages, the API and the admin read every single object through it. A user's role says what the user
may do (`vmrep.access.rights`), the user's places say with which rows (`vmrep.access.scopes`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol, TypeVar

from django.contrib.auth.models import User as Account
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404

from contexts import selectors
from contexts.models import DiscoveredVM, Discovery, VCenter, VMContext, VMDisk
from contexts.services.lookup import Among
from replication.models import (
    BandwidthWindow,
    BulkAction,
    BulkItem,
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
    Tally,
    VCenterSign,
    VMGroup,
    VMGroupMember,
)
from replication.policies.selectors import policies_for_list
from replication.selectors.health import Parts
from replication.selectors.home import Visible
from replication.selectors.monitoring import Seen
from replication.selectors.repositories import repositories_for_list
from replication.selectors.usage import Limited
from replication.states import BulkKind
from vmrep.access import scopes
from vmrep.access.rights import DANGEROUS, OF_EVERY_USER, Verb, least_role
from vmrep.access.scopes import may_with_a_scope
from vmrep.accounts import users
from vmrep.accounts.means import OfSession, OfToken, means_of
from vmrep.accounts.models import Scope, Session, Token, TokenScope
from vmrep.accounts.roles import Role
from vmrep.accounts.standing import Place, standing_of
from vmrep.api.models import KeyedRequest
from vmrep.notifications.models import Channel, Rule
from vmrep.trail.models import Event
from vmrep.web.models import SavedView

Row = TypeVar("Row", bound=Model)
NO_ROLE = "Your account has no role yet: an admin of vmrep has to give it one."


class User(Protocol):
    """Django's user, logged in or not."""

    @property
    def is_active(self) -> bool: ...


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
    """This user may not do this; `code` is for programs."""

    code = "permission_denied"


class PasswordNeeded(Forbidden):
    """The user may, and has to give the password again first."""

    code = "password_needed"


class TokenTooNarrow(Forbidden):
    """The user may, but not by this token."""

    code = "token_scope"


def may(user: User, verb: Verb, kind: type[Model]) -> bool:
    """Whether a user may do this with objects of this kind: with some of them, for a user who does
    not see all VMs."""
    if verb in OF_EVERY_USER.get(kind, ()):
        return bool(user.is_active)
    role, places = standing_of(user)
    least = least_role(verb, kind)
    if role is None or least is None or role.rank < least.rank:
        return False
    return places is None or may_with_a_scope(verb, kind)


def may_use_admin(user: User) -> bool:
    """Django's admin shows rows as they are stored: to admins who see all VMs."""
    role, places = standing_of(user)
    return role == Role.ADMIN and places is None


def may_in_admin(user: User, verb: Verb, kind: type[Model]) -> bool:
    """Whether a user of the admin may do this with objects of this kind."""
    return may_use_admin(user) and may(user, verb, kind)


def require(user: User, verb: Verb, kind: type[Model]) -> None:
    """For actions without an object: adding one, or acting on all. Raises Forbidden."""
    if not may(user, verb, kind):
        raise Forbidden(_refusal(user, verb, kind))
    if kind in DANGEROUS.get(verb, ()):
        _require_means(user)


def _refusal(user: User, verb: Verb, kind: type[Model]) -> str:
    if user.is_active and standing_of(user).role is None:
        return NO_ROLE
    return f"You may not {verb.replace('_', ' ')} {kind._meta.verbose_name_plural}."


def _require_means(user: User) -> None:
    """That by which the user acts must do for what is dangerous."""
    means = means_of(user)
    if isinstance(means, OfToken) and means.scope != TokenScope.DANGER:
        raise TokenTooNarrow(
            f"This needs a token of the scope “{TokenScope.DANGER}”; yours has “{means.scope}”."
        )
    if isinstance(means, OfSession) and not means.is_recent():
        raise PasswordNeeded("Give your password again first: it was given too long ago.")


def require_any_bulk(user: User) -> None:
    """Raises Forbidden for a user who may do nothing with many VMs; what exactly, the request's
    body says."""
    if not any(may(user, verb, VMContext) for verb in VERBS_OF_BULK.values()):
        raise Forbidden(_refusal(user, Verb.CHANGE, VMContext))


def rows(user: User, verb: Verb, among: QuerySet[Row]) -> QuerySet[Row]:
    """The rows with which the user may do this. Raises Forbidden."""
    require(user, verb, among.model)
    places = standing_of(user).places
    if places is None or verb in OF_EVERY_USER.get(among.model, ()):
        return among
    return scopes.veiled(places, among.filter(scopes.rule(places, verb, among.model)))


def keys(user: User, verb: Verb, among: Sequence[Row]) -> frozenset[Any]:
    """The keys of those rows, of which the user sees all, with which the user may do this."""
    if not among or not may(user, verb, type(among[0])):
        return frozenset()
    mine, places = {row.pk for row in among}, standing_of(user).places
    if places is not None:
        kind: Any = type(among[0])
        own = scopes.rule(places, verb, kind)
        mine = set(kind.objects.filter(own, pk__in=mine).values_list("pk", flat=True))
    return frozenset(mine)


def counted(user: User) -> QuerySet[VMContext] | None:
    """The VMs that are counted for this user in what all VMs have in common; None: all of them.
    Raises Forbidden."""
    seen = rows(user, Verb.VIEW, VMContext.objects.order_by())
    return None if standing_of(user).places is None else seen.only("pk")


def scope(user: User) -> Hashable:
    """Identifies what the user sees. Users with the same scope see the same rows, so numbers that
    were counted for one of them are valid for the others."""
    places = standing_of(user).places
    return "everything" if places is None else places


def standing(user: User) -> list[object]:
    """All that bounds what the user may do now, as JSON has it: the same for as long as that is."""
    role, places = standing_of(user)
    means = means_of(user)
    by_token = str(means.scope) if isinstance(means, OfToken) else None
    return [role and str(role), None if places is None else sorted(map(list, places)), by_token]


def visible(user: User) -> Visible:
    """What the home page counts for this user. Raises Forbidden."""
    return Visible(
        contexts=rows(user, Verb.VIEW, VMContext.objects.all()),
        jobs=rows(user, Verb.VIEW, ReplicationJob.objects.all()),
        repositories=repositories(user),
    )


def vcenters_in_list(user: User) -> QuerySet[VCenter]:
    """The vCenters that the user sees, with the numbers of those VMs that the user sees. Raises
    Forbidden."""
    among = selectors.vcenters_for_list(
        rows(user, Verb.VIEW, VMContext.objects.all()),
        rows(user, Verb.VIEW, DiscoveredVM.objects.all()),
    )
    return rows(user, Verb.VIEW, among)


def newest_discovery(user: User, vcenter: VCenter) -> Discovery | None:
    """Of a vCenter that the user sees. It tells how many VMs the user sees, and no more."""
    found = selectors.newest_discovery(vcenter)
    if found is not None and not _sees_all_of(user, vcenter):
        seen = DiscoveredVM.objects.filter(vcenter=vcenter, gone_at__isnull=True)
        found.vms_seen, found.vms_total = rows(user, Verb.VIEW, seen).count(), None
    return found


def _sees_all_of(user: User, vcenter: VCenter) -> bool:
    places = standing_of(user).places
    return places is None or Place(vcenter.pk, "") in places


def vcenters(user: User) -> QuerySet[VCenter]:
    """The vCenters that the user sees, for choices. Raises Forbidden."""
    return rows(user, Verb.VIEW, VCenter.objects.order_by("name"))


def repositories(user: User) -> QuerySet[Repository]:
    """The repositories that the user sees, for choices. Raises Forbidden."""
    return rows(user, Verb.VIEW, Repository.objects.all())


def repositories_in_list(user: User) -> QuerySet[Repository]:
    """The repositories that the user sees, with the numbers of those VMs that the user sees. Raises
    Forbidden."""
    return rows(user, Verb.VIEW, repositories_for_list(counted(user)))


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


def monitored(user: User) -> Seen:
    """What monitoring may read for the user. Raises Forbidden."""
    runs = IntegrityRun.objects.all()
    return Seen(
        contexts=rows(user, Verb.VIEW, VMContext.objects.all()),
        jobs=rows(user, Verb.VIEW, ReplicationJob.objects.all()),
        vcenters=rows(user, Verb.VIEW, VCenter.objects.all()),
        repositories=rows(user, Verb.VIEW, Repository.objects.all()),
        parts=parts(user),
        tallies=rows(user, Verb.VIEW, Tally.objects.all()),
        incidents=incidents(user),
        bulk_items=rows(user, Verb.VIEW, BulkItem.objects.all()),
        runs=rows(user, Verb.VIEW, runs) if may(user, Verb.VIEW, IntegrityRun) else None,
    )


def incidents(user: User) -> QuerySet[Incident]:
    """Raises Forbidden."""
    return rows(user, Verb.VIEW, Incident.objects.all())


def audit_events(user: User) -> QuerySet[Event]:
    """The events of the audit trail that the user sees, the newest first. Raises Forbidden."""
    return rows(user, Verb.VIEW, Event.objects.order_by("-number"))


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
    return among if may_use_admin(user) else among.none()


def context(user: User, context_id: str, verb: Verb) -> VMContext:
    """A VM context with its vCenter. Raises NotFound or Forbidden, like all getters below."""
    return context_among(VMContext.objects.select_related("vcenter"), user, context_id, verb)


def context_among(among: QuerySet[Row], user: User, context_id: str, verb: Verb) -> Row:
    """A VM context, as these rows of a selector have it."""
    return _the_one(
        *(user, verb, among, context_id),
        f"There is no VM context {context_id!r}.",
        "unknown_vm",
    )


def disk(user: User, vm: VMContext, disk_id: int, verb: Verb) -> VMDisk:
    """A disk of this VM."""
    return _the_one(
        *(user, verb, vm.disks.select_related("vm_context"), disk_id),
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
        *(user, verb, among, job_id),
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
        *(user, verb, among, vcenter_id),
        f"There is no vCenter {vcenter_id}.",
        "unknown_vcenter",
    )


def discovered_vm(user: User, vcenter_id: int, vm_id: int, verb: Verb) -> DiscoveredVM:
    """A VM that a vCenter's discovery found."""
    vm = DiscoveredVM.objects.all()
    message = f"Discovery found no VM {vm_id} in vCenter {vcenter_id}."
    found = _the_one(user, verb, vm, vm_id, message, "unknown_vm")
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
        *(user, verb, among, repository_id),
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
        *(user, verb, among, point_id),
        f"There is no recovery point {point_id}.",
        "unknown_point",
    )


def bandwidth_window(user: User, window_id: int, verb: Verb) -> BandwidthWindow:
    return _the_one(
        *(user, verb, BandwidthWindow.objects.all(), window_id),
        f"There is no limit of bandwidth {window_id}.",
        "unknown_window",
    )


def bulk_actions(user: User) -> QuerySet[BulkAction]:
    """The bulk actions that the user sees. Raises Forbidden."""
    return rows(user, Verb.VIEW, BulkAction.objects.all())


def bulk_action(user: User, action_id: int, verb: Verb) -> BulkAction:
    return _the_one(
        *(user, verb, BulkAction.objects.all(), action_id),
        f"There is no bulk action {action_id}.",
        "unknown_bulk_action",
    )


def pauses(user: User) -> QuerySet[Pause]:
    """The pauses that the user sees. Raises Forbidden."""
    return rows(user, Verb.VIEW, Pause.objects.all())


def may_pause_all(user: User) -> bool:
    """Whether the user may pause what is not a single VM's or vCenter's."""
    return may(user, Verb.PAUSE, Pause) and standing_of(user).places is None


def require_pause_of_all(user: User) -> None:
    """Raises Forbidden."""
    if not may_pause_all(user):
        raise Forbidden("You may not pause all VMs: you do not see all of them.")


def pausable_vcenters(user: User) -> QuerySet[VCenter]:
    """For choices. Raises Forbidden."""
    return rows(user, Verb.PAUSE, VCenter.objects.order_by("name"))


def pausable_policies(user: User) -> QuerySet[Policy]:
    """For choices. Raises Forbidden."""
    found = policies(user)
    return found if may_pause_all(user) else found.none()


def pause(user: User, pause_id: int, verb: Verb, *, among: QuerySet[Pause] | None = None) -> Pause:
    """A pause; with `among`, as those rows have it."""
    if among is None:
        among = Pause.objects.all()
    return _the_one(
        *(user, verb, among, pause_id),
        f"There is no pause {pause_id}.",
        "unknown_pause",
    )


def groups(user: User) -> QuerySet[VMGroup]:
    """The groups that the user sees, for lists and choices. Raises Forbidden."""
    return rows(user, Verb.VIEW, VMGroup.objects.order_by("name"))


def groupable(user: User) -> QuerySet[VMContext]:
    """The VMs that the user may put into groups, for choices."""
    if not may(user, Verb.GROUP, VMContext):
        return VMContext.objects.none()
    return rows(user, Verb.GROUP, VMContext.objects.all())


def group(user: User, group_id: int, verb: Verb) -> VMGroup:
    return _the_one(
        *(user, verb, VMGroup.objects.all(), group_id),
        f"There is no group {group_id}.",
        "unknown_group",
    )


def group_member(user: User, group: VMGroup, member_id: int, verb: Verb) -> VMGroupMember:
    """A VM of this group."""
    members = group.members.select_related("group", "vm_context")
    return _the_one(
        *(user, verb, members, member_id),
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
        *(user, verb, among, policy_id),
        f"There is no policy {policy_id}.",
        "unknown_policy",
    )


def policies_in_list(user: User) -> QuerySet[Policy]:
    """The policies that the user sees, with their places and the numbers of VMs that the user sees.
    Raises Forbidden."""
    places = rows(user, Verb.VIEW, PolicyScope.objects.all())
    return policies_for_list(policies(user), places, counted(user))


def policies(user: User) -> QuerySet[Policy]:
    """The policies that the user sees, for lists and choices. Raises Forbidden."""
    return rows(user, Verb.VIEW, Policy.objects.filter(name__isnull=False).order_by("name"))


def policy_scope(user: User, policy: Policy, scope_id: int, verb: Verb) -> PolicyScope:
    """A place where this policy applies."""
    return _the_one(
        *(user, verb, policy.scopes.select_related("policy"), scope_id),
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
        *(user, verb, among, channel_id),
        f"There is no notification channel {channel_id}.",
        "unknown_channel",
    )


def rule(user: User, rule_id: int, verb: Verb) -> Rule:
    """A rule of notifications."""
    rules = Rule.objects.select_related("channel", "vcenter", "policy", "vm_context")
    return _the_one(
        *(user, verb, rules, rule_id),
        f"There is no notification rule {rule_id}.",
        "unknown_rule",
    )


def saved_views(user: User) -> QuerySet[SavedView]:
    """The user's own views of the lists, and those that others share; what they search for may
    name VMs that a user with a scope does not see. Raises Forbidden."""
    seen: Any = Q(user=user)
    if standing_of(user).places is None:
        seen |= Q(is_shared=True)
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
    return _the_one(
        *(user, verb, own_views(user), view_id),
        f"You have no saved view {view_id}.",
        "unknown_view",
    )


def keyed_requests(user: User) -> QuerySet[KeyedRequest]:
    """What this user's programs sent with a key; nobody sees those of others."""
    mine: Any = {"user": user}
    return KeyedRequest.objects.filter(**mine)


def own_tokens(user: User) -> QuerySet[Token]:
    """Nobody sees those of others. Raises Forbidden."""
    mine: Any = {"user": user}
    return rows(user, Verb.VIEW, Token.objects.filter(**mine))


def own_token(user: User, token_id: int, verb: Verb) -> Token:
    """One of the user's own."""
    return _the_one(
        *(user, verb, own_tokens(user), token_id),
        f"You have no token {token_id}.",
        "unknown_token",
    )


def own_sessions(user: User) -> QuerySet[Session]:
    """Nobody sees those of others. Raises Forbidden."""
    mine: Any = {"user": user}
    return rows(user, Verb.VIEW, Session.objects.filter(**mine))


def own_session(user: User, session_key: str, verb: Verb) -> Session:
    """One of the user's own."""
    return _the_one(
        *(user, verb, own_sessions(user), session_key),
        "You have no such session.",
        "unknown_session",
    )


def user(user: User, user_id: int, verb: Verb) -> Account:
    """A user of vmrep, with roles and places."""
    return _the_one(
        *(user, verb, users.in_list(), user_id),
        f"There is no user {user_id}.",
        "unknown_user",
    )


def place_of(user: User, owner: Account, scope_id: int) -> Scope:
    """A place that this user sees."""
    return _the_one(
        *(user, Verb.CHANGE, owner.scopes.all(), scope_id),
        f"The user sees no place {scope_id}.",
        "unknown_place",
    )


def _the_one(
    user: User, verb: Verb, among: QuerySet[Row], key: object, message: str, code: str
) -> Row:
    row = rows(user, verb, among).filter(pk=key).first()
    if row is None and verb != Verb.VIEW and rows(user, Verb.VIEW, among).filter(pk=key).exists():
        # The user sees it, with VMs outside of what the user sees.
        raise Forbidden(f"{_refusal(user, verb, among.model)[:-1]} that have VMs you do not see.")
    if row is None:
        raise NotFound(message, code=code)
    return row
