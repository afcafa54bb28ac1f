"""Which rows belong to the places that somebody may see; those of a kind without a rule never do.

A rule answers with a condition on the rows of its kind. What is told of all VMs together, such as
a repository, is seen with every scope; `vmrep.access` leaves out what is counted in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Case, CharField, Exists, F, Model, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Concat, Left
from django.db.models.lookups import Exact

from contexts.models import (
    ContextEvent,
    DiscoveredVM,
    VCenter,
    VMContext,
    VMDisk,
)
from contexts.presence import vms_with_probable_context
from replication.models import (
    BandwidthWindow,
    BulkAction,
    BulkItem,
    GroupRun,
    GroupRunMember,
    Incident,
    Limit,
    Occurrence,
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
from replication.states import OccurrenceKind, PauseKind, ScopeKind
from vmrep.access.rights import NOT_WITH_A_SCOPE, OF_ALL_VMS, Verb
from vmrep.accounts.models import Session, Token
from vmrep.accounts.standing import Place
from vmrep.trail.models import Event
from vmrep.web.models import SavedView

NOTHING = Q(pk__in=[])
_EVERYTHING = Q()


def may_with_a_scope(verb: Verb, kind: type[Model]) -> bool:
    """Whether somebody who does not see all VMs may do that with any object of the kind."""
    if kind in NOT_WITH_A_SCOPE or (verb, kind) == (Verb.ADD, VCenter):
        return False
    return verb == Verb.VIEW or kind not in OF_ALL_VMS


class Within:
    """Some places, as conditions on rows."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.places = sorted(places)
        self.vcenter_ids = sorted({place.vcenter_id for place in self.places})
        self.whole_vcenter_ids = sorted(
            {place.vcenter_id for place in self.places if not place.folder}
        )

    def vms(self, prefix: str = "") -> Q:
        """Of rows that have a VM's `vcenter` and `vm_path`, or reach them by the prefix."""
        whole = Q(**{f"{prefix}vcenter__in": self.whole_vcenter_ids})
        return self._any(
            [whole]
            + [
                Q(**{f"{prefix}vcenter": place.vcenter_id})
                & _is_below(f"{prefix}vm_path", place.folder)
                for place in self.places
                if place.vcenter_id not in self.whole_vcenter_ids
            ]
        )

    @property
    def is_of_whole_vcenters(self) -> bool:
        return self.vcenter_ids == self.whole_vcenter_ids

    @property
    def contexts(self) -> QuerySet[VMContext]:
        """For subqueries."""
        return VMContext.objects.filter(self.vms()).order_by().only("pk")

    def policy_places(self) -> Q:
        """Of PolicyScope: places of which some VM may be in these places."""
        folders = [
            Q(vcenter=place.vcenter_id)
            & (Q(folder__in=_self_and_above(place.folder)) | _is_below("folder", place.folder))
            for place in self.places
        ]
        return self._any(
            [
                Q(kind=ScopeKind.INSTALLATION),
                Q(kind=ScopeKind.VCENTER, vcenter__in=self.vcenter_ids),
                Q(kind=ScopeKind.FOLDER, vcenter__in=self.whole_vcenter_ids),
                Q(kind=ScopeKind.FOLDER) & self._any(folders),
                Q(vm_context__in=self.contexts),
            ]
        )

    @staticmethod
    def _any(conditions: list[Q]) -> Q:
        return reduce(or_, conditions, NOTHING)


def _is_below(column: str, folder: str) -> Q:
    """Exactly: LIKE is the same for upper and lower case on SQLite."""
    start = f"{folder}/"
    return Q(Exact(Left(F(column), len(start)), Value(start)))


def _self_and_above(folder: str) -> list[str]:
    """/a/b: /a/b and /a"""
    parts = folder.split("/")[1:]
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def veiled(places: Iterable[Place], rows: Any) -> Any:
    """The same rows without what they tell of VMs outside of these places: what a VM has probably
    become (`contexts.presence`), and how many VMs a vCenter's discovery saw."""
    within, told = Within(places), rows.query.annotations
    if rows.model is VMContext and "changed_vm_id" in told and not within.is_of_whole_vcenters:
        seen = DiscoveredVM.objects.filter(within.vms()).order_by().values("pk")
        names = ("changed_vm_name", "changed_vm_uuid", "changed_vm_id")
        for name in names:
            rows = rows.annotate(**{name: Case(When(changed_vm_id__in=seen, then=F(name)))})
    if rows.model is VCenter and "discovery_seen" in told:
        whole = Q(pk__in=within.whole_vcenter_ids)
        rows = rows.annotate(
            discovery_seen=Case(When(whole, then=F("discovery_seen")), default=F("vm_count")),
            discovery_total=Case(When(whole, then=F("discovery_total"))),
        )
    return rows


def rule(places: Iterable[Place], verb: Verb, kind: type[Model]) -> Q:
    """The rows of the kind with which somebody who sees these places may do that."""
    found = _RULES.get(kind)
    return NOTHING if found is None else found(Within(places), verb)


def _of_vm(path: str = "vm_context") -> Callable[[Within, Verb], Q]:
    return lambda within, _: Q(**{f"{path}__in": within.contexts})


def _discovered(within: Within, _: Verb) -> Q:
    """Not one that is probably a known VM (under a new instance UUID) of another place: to take it
    would tell of that one. All this happens within one vCenter."""
    if within.is_of_whole_vcenters:
        return within.vms()
    known = vms_with_probable_context(also_rejected=True).filter(
        within.vms(), probable_context_id__isnull=False
    )
    elsewhere = known.exclude(probable_context_id__in=within.contexts)
    return within.vms() & ~Q(pk__in=elsewhere.order_by().values("pk"))


def _vcenters(within: Within, verb: Verb) -> Q:
    """Whoever sees a folder of it may see the vCenter and have it read, and no more."""
    of_a_part = verb in (Verb.VIEW, Verb.DISCOVER)
    return Q(pk__in=within.vcenter_ids if of_a_part else within.whole_vcenter_ids)


def _pauses(within: Within, verb: Verb) -> Q:
    own = Q(vm_context__in=within.contexts)
    if verb != Verb.VIEW:
        return own | Q(vcenter__in=within.whole_vcenter_ids)
    for_all = Q(kind__in=[PauseKind.ALL, PauseKind.POLICY])
    return own | for_all | Q(vcenter__in=within.vcenter_ids)


def _groups(within: Within, verb: Verb) -> Q:
    """Whoever sees one of its VMs sees the group; to do anything, one has to see all of them."""
    members = VMGroupMember.objects.filter(group=OuterRef("pk")).order_by()
    outside = members.exclude(vm_context__in=within.contexts)
    if verb != Verb.VIEW:
        return ~Q(Exists(outside))
    return Q(Exists(members.filter(vm_context__in=within.contexts))) | ~Q(Exists(members))


def _bulk_actions(within: Within, _: Verb) -> Q:
    """Those of nothing but such VMs: they tell how many there are."""
    items = BulkItem.objects.filter(action=OuterRef("pk")).order_by()
    return ~Q(Exists(items.exclude(vm_context__in=within.contexts)))


_OF_ALL = (
    *(OccurrenceKind.WORKER_DEAD, OccurrenceKind.BEAT_DEAD, OccurrenceKind.TICK_LATE),
    *(OccurrenceKind.REDIS_DEAD, OccurrenceKind.REPOSITORY_AWAY, OccurrenceKind.SPACE_SHORT),
)


def _occurrences(within: Within, _: Verb) -> Q:
    """What names the VMs of a group, all of which are of one vCenter, is that vCenter's; and no
    longer anybody's once the vCenter was removed."""
    of_none = Q(vm_context=None)
    # What is over does not say what it was about: its incident does, and goes with its vCenter.
    over_for_all = Incident.objects.filter(vcenter=None).annotate(
        over=Concat(Value(f"{OccurrenceKind.TROUBLE_OVER}:"), Cast("pk", CharField()))
    )
    is_of_all = Q(kind__in=_OF_ALL) | Q(kind=OccurrenceKind.TROUBLE_OVER) & Q(
        Exists(over_for_all.filter(over=OuterRef("key")).order_by())
    )
    return (
        Q(vm_context__in=within.contexts)
        | of_none & Q(vcenter__in=within.whole_vcenter_ids)
        | of_none & Q(vcenter=None, policy=None) & is_of_all
    )


def _limits(within: Within, _: Verb) -> Q:
    usual = Q(resource="")
    return usual | Q(repository__isnull=False) | Q(vcenter__in=within.whole_vcenter_ids)


def _audit_events(within: Within, _: Verb) -> Q:
    """Of such VMs, and of vCenters all of whose VMs are seen."""
    of_vcenters = Q(vm_context_id="", vcenter_id__in=within.whole_vcenter_ids)
    return Q(vm_context_id__in=within.contexts.values("pk")) | of_vcenters


def _of_vcenter_or_none(within: Within, _: Verb) -> Q:
    return Q(vcenter=None) | Q(vcenter__in=within.vcenter_ids)


_RULES: Mapping[type[Model], Callable[[Within, Verb], Q]] = {
    VMContext: lambda within, _: within.vms(),
    DiscoveredVM: _discovered,
    VCenter: _vcenters,
    Tally: lambda within, _: Q(vcenter__in=within.whole_vcenter_ids),
    VCenterSign: lambda within, _: Q(vcenter__in=within.vcenter_ids),
    Pause: _pauses,
    VMGroup: _groups,
    GroupRun: lambda within, verb: Q(
        group__in=VMGroup.objects.filter(_groups(within, verb)).order_by()
    ),
    BulkAction: _bulk_actions,
    Occurrence: _occurrences,
    Event: _audit_events,
    Incident: _of_vcenter_or_none,
    BandwidthWindow: _of_vcenter_or_none,
    Limit: _limits,
    PolicyScope: lambda within, _: within.policy_places(),
    **dict.fromkeys(
        (
            *(BulkItem, ContextEvent, GroupRunMember, RecoveryPoint, ReplicationJob),
            *(VMDisk, VMGroupMember),
        ),
        _of_vm(),
    ),
    **dict.fromkeys(
        (Policy, Repository, RepositorySign, SavedView, Session, SignOfLife, Token),
        lambda within, _: _EVERYTHING,
    ),
}
