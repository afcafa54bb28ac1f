"""What lives and what is dead, computed from the clock when somebody asks.

Nothing has to notice a death: who was not seen for `DEAD_AFTER` is dead, also when whoever would
write that down is dead, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import QuerySet

from contexts.models import VCenter
from contexts.read_once import once
from replication.health import broker
from replication.models import Repository, RepositorySign, SignOfLife, VCenterSign
from replication.selectors.protection import AWAY_AFTER
from replication.selectors.room import reserve_bytes
from replication.states import LifeKind, TroubleKind

# Three signs; beat triggers the tick every ten seconds. Pages, which ask every few seconds, are to
# show a death within 30.
DEAD_AFTER = timedelta(seconds=26)
# What the tick needs was there so long, and it did not run: then it is not late because of others.
_TICK_MISSED = timedelta(seconds=14)
LOW_SHARE = 10  # less than a tenth is free
FULL_SOON = timedelta(days=7)
FULL = "Less is free than is to stay free: no replication into it begins until there is more room."

COPIES, STORAGE, CONTROL, TICK = "copies", "storage", "control", "tick"
EXPECTED = (COPIES, STORAGE, CONTROL, TICK)
_NEEDED_FOR = {
    COPIES: "Replications wait until one is started.",
    STORAGE: "Recovery points that are to go stay until one is started.",
    CONTROL: "Discoveries, clean-ups and checks wait until one is started.",
    TICK: "Nothing takes over from dead workers until one is started.",
}
_START = "See “Processes” in docs/operations.md."


class Parts(NamedTuple):
    """The rows that somebody may see."""

    signs: QuerySet[SignOfLife]
    vcenters: QuerySet[VCenterSign]
    repositories: QuerySet[RepositorySign]


class Trouble(NamedTuple):
    """Something that is needed and dead. `subject`: of which of its kind. `what`: whole sentences,
    which change only with the trouble; `since`: when it was last alive, None if it never was."""

    kind: TroubleKind
    subject: str
    what: str
    since: datetime | None
    vcenter_id: int | None = None
    repository_id: int | None = None

    @property
    def is_away(self) -> bool:
        """It is not vmrep's: it does not answer, and may well be alive."""
        return self.kind in (TroubleKind.REDIS, TroubleKind.VCENTER, TroubleKind.REPOSITORY)

    @property
    def state(self) -> str:
        """What it is in a word: a repository that is nearly full is not dead."""
        if self.kind == TroubleKind.SPACE:
            return "short"
        return "away" if self.is_away else "dead"


class Process(NamedTuple):
    """A process with its last sign. `is_alive` is about now."""

    sign: SignOfLife
    is_alive: bool

    @property
    def state(self) -> str:
        if self.is_alive:
            return "alive"
        return "dead" if self.sign.ended_at is None else "ended"


class Answering(NamedTuple):
    """A vCenter or repository with what workers last had from it."""

    id: int
    name: str
    reached_at: datetime | None
    looked_at: datetime
    problem: str  # empty: it answers
    short: str = ""  # of a repository that is nearly full: how one can tell
    looked_from: frozenset[str] = frozenset()  # the machines that look at it
    reached_from: frozenset[str] = frozenset()  # those of them that could use it

    @property
    def state(self) -> str:
        return "away" if self.problem else "answering"

    @property
    def shown_state(self) -> str:
        """As pages and files show it: also that the room gets short."""
        return "short" if self.short and not self.problem else self.state


class Health(NamedTuple):
    """`redis`: why it does not answer this process; empty if it does. `redis_at`: when it last
    answered any process. `tick_at`: the tick's last run."""

    processes: list[Process]
    vcenters: list[Answering]
    repositories: list[Answering]
    redis: str
    redis_at: datetime | None
    tick_at: datetime | None
    tick_is_alive: bool
    troubles: list[Trouble]

    @property
    def is_well(self) -> bool:
        return not self.troubles


def health(now: datetime, parts: Parts) -> Health:
    """Three queries, each of a few rows; and a question to Redis, every few seconds."""
    signs = list(parts.signs.order_by("kind", "name"))
    vcenters = _vcenters(parts.vcenters)
    repositories = _repositories(parts.repositories)
    redis = broker.problem()
    redis_at = max((sign.broker_at for sign in signs if sign.broker_at), default=None)
    ticks = [sign for sign in signs if sign.kind == LifeKind.TICK]
    return Health(
        processes=[
            Process(sign, is_alive(sign, now)) for sign in signs if sign.kind != LifeKind.TICK
        ],
        vcenters=vcenters,
        repositories=repositories,
        redis=redis,
        redis_at=redis_at,
        tick_at=max((sign.seen_at for sign in ticks), default=None),
        tick_is_alive=any(is_alive(sign, now) for sign in ticks),
        troubles=[
            *_redis(redis, redis_at),
            *_processes(signs, now, redis_answers=not redis),
            *_away(vcenters),
            *_unusable(repositories),
            *_without_worker(repositories, signs, now),
            *_short(repositories),
        ],
    )


def is_alive(sign: SignOfLife, now: datetime) -> bool:
    return sign.ended_at is None and sign.seen_at > now - DEAD_AFTER


def live_slots(queue: str, now: datetime) -> int:
    """How many tasks of this queue its live workers run at once. One query."""
    return sum(sign.slots for sign in _live_workers(queue, _workers(), now))


def last_seen(queue: str, now: datetime) -> datetime | None:
    """Since when workers of this queue are known to be dead: when one was last alive, but not
    before there was somebody to see it. None: there never was one, nor anybody else. One query."""
    signs = list(SignOfLife.objects.exclude(kind=LifeKind.TICK))
    of_queue = _of_queue(queue, signs)
    watched = watched_since([Process(sign, is_alive(sign, now)) for sign in signs])
    return since_watched(max((sign.seen_at for sign in of_queue), default=None), watched)


def watched_since(processes: Iterable[Process]) -> datetime | None:
    """Since when some process has been alive all the time; None: none is. After a night in which
    all of vmrep was off, or minutes without the database, what is dead can be said only once its
    processes had time to start, or to give a sign."""
    return min((it.sign.alive_since for it in processes if it.is_alive), default=None)


def since_watched(since: datetime | None, watched: datetime | None) -> datetime | None:
    return max((at for at in (since, watched) if at is not None), default=None)


def away_vcenters() -> tuple[int, ...]:
    """The vCenters that the workers of no machine have reached lately. One query."""
    return tuple(vcenter for vcenter, _ in vcenters_away_since())


def vcenters_away_since() -> list[tuple[int, datetime | None]]:
    """Each of them with when it was last reached; None: never. One query."""
    return [(each.id, each.reached_at) for each in _all_vcenters() if each.problem]


@once
def _all_vcenters() -> list[Answering]:
    return _vcenters(VCenterSign.objects.all())


def what_is_missing(queue: str, now: datetime) -> str:
    """Why work in this queue is not begun: Redis does not answer, or no worker lives that takes it.
    Empty if nothing is missing. One query."""
    redis = broker.problem()
    if redis:
        return _redis(redis, None)[0].what
    workers = _workers()
    return "" if _live_workers(queue, workers, now) else _no_worker(queue, workers).what


@once
def _workers() -> list[SignOfLife]:
    return list(SignOfLife.objects.filter(kind=LifeKind.WORKER))


def _live_workers(queue: str, signs: Sequence[SignOfLife], now: datetime) -> list[SignOfLife]:
    return [sign for sign in _of_queue(queue, signs) if is_alive(sign, now)]


def _of_queue(queue: str, signs: Sequence[SignOfLife]) -> list[SignOfLife]:
    return [
        sign for sign in signs if sign.kind == LifeKind.WORKER and queue in sign.queues.split(",")
    ]


def _redis(problem: str, redis_at: datetime | None) -> list[Trouble]:
    if not problem:
        return []
    what = f"Redis does not answer ({problem}). No new work is begun until it does."
    return [Trouble(TroubleKind.REDIS, "", what, redis_at)]


def _no_worker(queue: str, signs: Sequence[SignOfLife]) -> Trouble:
    last = max((sign.seen_at for sign in _of_queue(queue, signs)), default=None)
    what = f"No worker of the queue “{queue}” is alive. {_NEEDED_FOR[queue]} {_START}"
    return Trouble(TroubleKind.WORKER, queue, what, last)


def _processes(
    signs: Sequence[SignOfLife], now: datetime, *, redis_answers: bool
) -> Iterator[Trouble]:
    """What is dead by itself: a tick that is late because of another death is not told of."""
    dead = [queue for queue in EXPECTED if not _live_workers(queue, signs, now)]
    yield from (_no_worker(queue, signs) for queue in dead)
    beats = [sign for sign in signs if sign.kind == LifeKind.BEAT]
    beat_lives = any(is_alive(sign, now) for sign in beats)
    if not beat_lives:
        last = max((sign.seen_at for sign in beats), default=None)
        what = "Beat is not alive: nothing that is due is begun, and nothing takes over from dead"
        yield Trouble(TroubleKind.BEAT, "", f"{what} workers. {_START}", last)
    ticks = [sign for sign in signs if sign.kind == LifeKind.TICK]
    is_late = not any(is_alive(sign, now) for sign in ticks)
    if is_late and beat_lives and redis_answers and TICK not in dead:
        last = max((sign.seen_at for sign in ticks), default=None)
        workers = _live_workers(TICK, signs, now)
        if _could_run(last, [it for it in beats if is_alive(it, now)], workers):
            what = "Beat and the worker of the queue “tick” are alive, but the tick does not run."
            yield Trouble(TroubleKind.TICK, "", f"{what} See that worker's log.", last)


def _could_run(last: datetime | None, *needed: Sequence[SignOfLife]) -> bool:
    """Whether one of each needed kind was there, and reached Redis, for long enough after the last
    tick. What dies is seen to be dead only later, and what comes back takes a while to run it."""
    return all(any(_was_there(sign, last) for sign in signs) for signs in needed)


def _was_there(sign: SignOfLife, last: datetime | None) -> bool:
    reached = sign.broker_at or sign.started_at
    since = max(at for at in (last, sign.alive_since, sign.broker_since) if at is not None)
    return reached - since >= _TICK_MISSED


def _vcenters(signs: QuerySet[VCenterSign]) -> list[Answering]:
    rows = signs.select_related("vcenter").order_by("vcenter__name", "vcenter", "looked_at")
    return [_answering(of, looks) for of, looks in groupby(rows, key=lambda sign: sign.vcenter)]


def _repositories(signs: QuerySet[RepositorySign]) -> list[Answering]:
    rows = signs.select_related("repository").order_by("repository__name", "looked_at")
    return [_answering(of, looks) for of, looks in groupby(rows, key=lambda sign: sign.repository)]


def _answering(
    of: VCenter | Repository, looks: Iterable[VCenterSign | RepositorySign]
) -> Answering:
    """`looks`: the newest last. One worker machine that reaches it is enough. When nobody looks any
    more, the last look stands: then a process is dead, which is told of."""
    signs = list(looks)
    newest = signs[-1]
    reached = max((sign.reached_at for sign in signs if sign.reached_at), default=None)
    away = reached is None or newest.looked_at - reached > AWAY_AFTER
    return Answering(
        id=of.pk,
        name=of.name,
        reached_at=reached,
        looked_at=newest.looked_at,
        problem=newest.problem if away else "",
        short=_shortage(signs) if isinstance(of, Repository) else "",
        looked_from=frozenset(sign.host for sign in _recent(signs)),
        reached_from=frozenset(sign.host for sign in _recent(signs) if not sign.problem),
    )


def _recent(looks: Sequence[VCenterSign | RepositorySign]) -> list[VCenterSign | RepositorySign]:
    """The newest last."""
    return [sign for sign in looks if looks[-1].looked_at - sign.looked_at <= AWAY_AFTER]


def _shortage(looks: Sequence[Any]) -> str:
    """From the newest look that reached it. The words change only with what they tell."""
    reached = [look for look in looks if look.reached_at and look.total_bytes]
    newest = max(reached, key=lambda look: look.reached_at, default=None)
    if newest is None:
        return ""
    if newest.free_bytes < reserve_bytes(newest.repository, newest.total_bytes):
        return FULL
    if newest.free_bytes * LOW_SHARE < newest.total_bytes:
        return "Less than a tenth of its room is free."
    if newest.full_in_seconds is not None and newest.full_in_seconds < FULL_SOON.total_seconds():
        return "At the pace of the last days it is full within a week."
    return ""


def _away(vcenters: Sequence[Answering]) -> Iterator[Trouble]:
    for each in vcenters:
        if each.problem:
            yield Trouble(
                TroubleKind.VCENTER,
                str(each.id),
                f"vCenter {each.name} does not answer: {each.problem}",
                each.reached_at,
                vcenter_id=each.id,
            )


def _unusable(repositories: Sequence[Answering]) -> Iterator[Trouble]:
    for each in repositories:
        if each.problem:
            yield Trouble(
                TroubleKind.REPOSITORY,
                str(each.id),
                f"No worker can use the repository {each.name}: {each.problem}",
                each.reached_at,
                repository_id=each.id,
            )


def _without_worker(
    repositories: Sequence[Answering], signs: Sequence[SignOfLife], now: datetime
) -> Iterator[Trouble]:
    for each in _lacking(repositories, signs, now):
        yield Trouble(
            TroubleKind.REPOSITORY,
            str(each.id),
            f"No worker that copies has the repository {each.name}: its replications wait. Start"
            f" one on a machine that has it. {_START}",
            each.reached_at,
            repository_id=each.id,
        )


def _lacking(
    repositories: Sequence[Answering], signs: Sequence[SignOfLife], now: datetime
) -> list[Answering]:
    """Repositories that some machine reaches, but none on which a worker that copies lives. What
    a machine reaches is known only where somebody looks: elsewhere nothing is concluded."""
    copying = _hosts(_live_workers(COPIES, signs, now))
    looking = frozenset[str]().union(*(each.looked_from for each in repositories))
    if not copying or not copying <= looking:
        return []
    return [it for it in repositories if not it.problem and not copying & it.reached_from]


def _hosts(signs: Iterable[SignOfLife]) -> set[str]:
    return {sign.name.rpartition(":")[0] for sign in signs}


def copying_hosts(now: datetime) -> set[str]:
    """The machines on which a worker that copies lives. One query."""
    return _hosts(_live_workers(COPIES, _workers(), now))


def repositories_of_others(host: str, now: datetime) -> set[int]:
    """The repositories that workers of other machines can copy into. Two queries."""
    copying = copying_hosts(now) - {host}
    well = RepositorySign.objects.filter(problem="", looked_at__gt=now - DEAD_AFTER)
    return set(well.filter(host__in=copying).values_list("repository", flat=True))


def repositories_without_worker(now: datetime) -> list[tuple[int, datetime | None]]:
    """Those that only machines without a worker that copies reach, with when. Two queries."""
    found = _lacking(_all_repositories(), _workers(), now)
    return [(each.id, each.reached_at) for each in found]


@once
def _all_repositories() -> list[Answering]:
    return _repositories(RepositorySign.objects.all())


def _short(repositories: Sequence[Answering]) -> Iterator[Trouble]:
    for each in repositories:
        if each.short:
            yield Trouble(
                TroubleKind.SPACE,
                str(each.id),
                f"The repository {each.name} is full. {FULL}"
                if each.short == FULL
                else f"The repository {each.name} is nearly full. {each.short} A full one takes no"
                " recovery points.",
                None,
                repository_id=each.id,
            )
