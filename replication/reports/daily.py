"""The report of one day: protection, breaches, volume, space.

It is computed from spells, jobs, images and signs whenever somebody asks, and stored nowhere. A
day begins and ends at midnight of a time zone. As many queries for any number of VMs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from contexts.error_codes import UNEXPECTED
from contexts.models import VMContext
from contexts.namesakes import Named, told_apart
from replication.models import (
    DiskImage,
    ProtectionSpell,
    ReplicationJob,
    Repository,
    RepositorySign,
    RepositorySpace,
)
from replication.selectors import protection, rpo_history
from replication.selectors.rpo_history import PolicyShare
from replication.states import ImageState, JobStatus, Protection

WITHOUT_TARGET_SECONDS = 86_400
"""How long the first copy of a VM without a target may take."""
BAD = (Protection.OVER_TARGET, Protection.BROKEN, Protection.UNPROTECTED)


class Among(NamedTuple):
    """The rows that somebody may see."""

    contexts: QuerySet[VMContext]
    repositories: QuerySet[Repository]


class Breach(NamedTuple):
    """A time in which a VM was not protected as wanted; `seconds`: how much of it is in the day.
    `worst_age_seconds`: how old its newest recovery point became at most; None if not for that.
    `warned_seconds`: how long before it that was told; None: it was not. `vm`: which VM it is;
    `apart`: what tells it from others of its name in the report, empty without any."""

    context_id: str
    vm_name: str | None
    state: str
    began_at: datetime
    ended_at: datetime | None
    seconds: float
    worst_age_seconds: float | None
    warned_seconds: float | None = None
    vm: Named | None = None
    apart: str = ""


class Space(NamedTuple):
    """A repository as workers saw it; None: they did not. Nobody forecasts a day that is over."""

    name: str
    free_bytes: int | None
    total_bytes: int | None
    full_in_seconds: float | None


class Report(NamedTuple):
    """`states`: how many VMs were in each state at the end (or are now, today). `within_target`:
    the share of the VMs' time with a target in which they were protected; None without any.
    `by_policy`: the same, by the policy that says now when they are replicated.
    `jobs`: by outcome; `failures`: the failed ones by error code. Bytes: read of disks, and put
    into repositories. `space`: as it was when the day ended, or is now."""

    day: date
    time_zone: str
    begins_at: datetime
    ends_at: datetime
    is_over: bool
    states: dict[str, int]
    within_target: float | None
    by_policy: list[PolicyShare]
    breaches: list[Breach]
    jobs: dict[str, int]
    failures: dict[str, int]
    read_bytes: int
    stored_bytes: int
    space: list[Space]


def report(day: date, time_zone: str, among: Among, now: datetime) -> Report:
    """What that day was like, until `now` if it is not over. Seven queries, or ten."""
    begins_at, ends_at = bounds(day, time_zone)
    until = min(ends_at, now)
    spells = _spells(among.contexts, begins_at, until)
    of_all = ProtectionSpell.objects.filter(vm_context__in=among.contexts)
    (within_target,) = rpo_history.shares(of_all, [(begins_at, until)])
    jobs = _jobs(among.contexts, begins_at, until)
    return Report(
        day=day,
        time_zone=time_zone,
        begins_at=begins_at,
        ends_at=ends_at,
        is_over=now >= ends_at,
        states=_states(spells, until) if now >= ends_at else _states_now(among.contexts, now),
        within_target=within_target,
        by_policy=rpo_history.by_policy(of_all, (begins_at, until)),
        breaches=_breaches(spells, begins_at, until),
        jobs=jobs.outcomes,
        failures=jobs.failures,
        read_bytes=jobs.read_bytes,
        stored_bytes=_stored_bytes(among.contexts, begins_at, until),
        space=_space(among.repositories, until)
        if now >= ends_at
        else _space_now(among.repositories),
    )


def bounds(day: date, time_zone: str) -> tuple[datetime, datetime]:
    """When the day begins and ends. It may have 23 or 25 hours."""
    zone = ZoneInfo(time_zone)
    begins = datetime.combine(day, time(0), zone)
    ends = datetime.combine(day + timedelta(days=1), time(0), zone)
    return begins.astimezone(UTC), ends.astimezone(UTC)


class _Spell(NamedTuple):
    vm: Named
    state: str
    target_seconds: int | None
    newest_point_at: datetime | None
    began_at: datetime
    ended_at: datetime | None
    foretold_at: datetime | None
    is_first: bool

    @property
    def as_told(self) -> rpo_history.Spell:
        times = (self.began_at, self.ended_at, self.foretold_at)
        return rpo_history.Spell(self.state, self.target_seconds, *times)

    def awaits_its_first_copy(self, until: datetime) -> bool:
        """It was just taken, and has had no more time for it than a point may be old."""
        if not self.is_first or self.state != Protection.UNPROTECTED or self.newest_point_at:
            return False
        ended_at = until if self.ended_at is None else min(self.ended_at, until)
        allowed = WITHOUT_TARGET_SECONDS if self.target_seconds is None else self.target_seconds
        return (ended_at - self.began_at).total_seconds() <= allowed

    def seconds(self, begins_at: datetime, until: datetime) -> float:
        """How much of it is in between."""
        ended_at = until if self.ended_at is None else min(self.ended_at, until)
        return max(0.0, (ended_at - max(self.began_at, begins_at)).total_seconds())


def _spells(contexts: QuerySet[VMContext], begins_at: datetime, until: datetime) -> list[_Spell]:
    rows = (
        ProtectionSpell.objects.filter(
            Q(ended_at__isnull=True) | Q(ended_at__gt=begins_at),
            vm_context__in=contexts,
            began_at__lt=until,
        )
        .annotate(is_first=~Exists(_earlier()))
        .order_by("vm_context__vm_name", "vm_context", "began_at")
        .values_list(
            *("vm_context", "vm_context__vm_name", "vm_context__vm_path"),
            *("vm_context__vcenter__name", "state", "target_seconds"),
            *("newest_point_at", "began_at", "ended_at", "foretold_at", "is_first"),
        )
    )
    return [_Spell(Named(*row[:4]), *row[4:]) for row in rows]


def _earlier() -> QuerySet[ProtectionSpell]:
    return ProtectionSpell.objects.filter(
        vm_context=OuterRef("vm_context"), began_at__lt=OuterRef("began_at")
    )


def _states(spells: Iterable[_Spell], until: datetime) -> dict[str, int]:
    last = Counter(
        spell.state for spell in spells if spell.ended_at is None or spell.ended_at >= until
    )
    return {state: last[state] for state in Protection.values}


def _states_now(contexts: QuerySet[VMContext], now: datetime) -> dict[str, int]:
    """As the pages say."""
    counted = protection.counts(contexts.filter(unmanaged_at__isnull=True), protection.terms(now))
    return {state: counted[state] for state in Protection.values}


def _breaches(spells: Sequence[_Spell], begins_at: datetime, until: datetime) -> list[Breach]:
    """The longest first."""
    found = []
    for before, spell in zip([None, *spells], spells, strict=False):
        seconds = spell.seconds(begins_at, until)
        if spell.state not in BAD or not seconds or spell.awaits_its_first_copy(until):
            continue
        found.append(
            Breach(
                spell.vm.key,
                spell.vm.name,
                spell.state,
                spell.began_at,
                spell.ended_at,
                seconds,
                _worst_age_seconds(spell, until),
                _warned_seconds(spell, before),
                spell.vm,
            )
        )
    apart = told_apart(breach.vm for breach in found if breach.vm)
    found = [breach._replace(apart=apart.get(breach.context_id, "")) for breach in found]
    return sorted(found, key=lambda breach: (-breach.seconds, breach.context_id))


def _warned_seconds(spell: _Spell, before: _Spell | None) -> float | None:
    if before is None or before.vm.key != spell.vm.key:
        return None
    return rpo_history.warned_seconds(spell.as_told, before.as_told)


def _worst_age_seconds(spell: _Spell, until: datetime) -> float | None:
    """At most: a newer point may have come that was too old itself."""
    if spell.state != Protection.OVER_TARGET or spell.newest_point_at is None:
        return None
    ended_at = until if spell.ended_at is None else min(spell.ended_at, until)
    age = (ended_at - spell.newest_point_at).total_seconds()
    return age if age > 0 else None  # it may be dated in the future


class _Jobs(NamedTuple):
    outcomes: dict[str, int]
    failures: dict[str, int]
    read_bytes: int


def _jobs(contexts: QuerySet[VMContext], begins_at: datetime, until: datetime) -> _Jobs:
    """Those that ended in the day."""
    ended = (
        ReplicationJob.objects.filter(
            vm_context__in=contexts, completed_at__gte=begins_at, completed_at__lt=until
        )
        .order_by()
        .values_list("status", "error_code")
        .annotate(count=Count("pk"), read=Sum("bytes_transferred"))
    )
    outcomes: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    read_bytes = 0
    for status, code, count, read in ended:
        outcomes[status] += count
        read_bytes += read or 0
        if status == JobStatus.FAILED:
            failures[code or UNEXPECTED] += count
    return _Jobs(dict(outcomes), dict(failures.most_common()), read_bytes)


def _stored_bytes(contexts: QuerySet[VMContext], begins_at: datetime, until: datetime) -> int:
    images = DiskImage.objects.filter(
        vm_context__in=contexts,
        state=ImageState.COMMITTED,
        created_at__gte=begins_at,
        created_at__lt=until,
    )
    return images.aggregate(sum=Sum("allocated_bytes"))["sum"] or 0


def _space(repositories: QuerySet[Repository], until: datetime) -> list[Space]:
    """As far as it was known by then, and not for longer than a day."""
    kept = (
        RepositorySpace.objects.filter(
            repository__in=repositories, hour__lt=until, hour__gte=until - timedelta(days=1)
        )
        .order_by("hour")
        .values_list("repository", "free_bytes", "total_bytes")
    )
    newest = {repository: (free, total, None) for repository, free, total in kept}
    return [
        Space(name, *newest.get(pk, (None, None, None)))
        for pk, name in repositories.order_by("name").values_list("pk", "name")
    ]


def _space_now(repositories: QuerySet[Repository]) -> list[Space]:
    """From the newest look that reached each."""
    signs = (
        RepositorySign.objects.filter(repository__in=repositories, reached_at__isnull=False)
        .order_by("reached_at")
        .values_list("repository", "free_bytes", "total_bytes", "full_in_seconds")
    )
    newest = {repository: seen for repository, *seen in signs}
    return [
        Space(name, *newest.get(pk, (None, None, None)))
        for pk, name in repositories.order_by("name").values_list("pk", "name")
    ]
