"""The metrics of one scrape. Nothing is kept in a process, so it does not matter which one answers.

Values come from the database when they are asked for; a metric without any value now is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from contexts.clock import database_now
from replication.selectors import health, monitoring
from replication.selectors.health import EXPECTED, Answering, Health
from replication.selectors.monitoring import VM, Checked, Seen, Summed
from replication.selectors.protection import terms
from replication.services.tallies import BOUNDS
from replication.states import Severity, TallyKind, TroubleKind
from vmrep import __version__
from vmrep.metrics.catalogue import METRICS

_HISTOGRAMS = {
    TallyKind.CALL: "vmrep_vcenter_call_duration_seconds",
    TallyKind.OPEN: "vmrep_nfc_open_duration_seconds",
    TallyKind.READ: "vmrep_nfc_read_duration_seconds",
}


class Read(NamedTuple):
    """What was read for one scrape. `vms`: empty if they are left out. `checked` and `deliveries`
    are None for whoever does not see them."""

    now: datetime
    vms: list[VM]
    states: dict[tuple[str, str], int]
    health: Health
    waiting: list[monitoring.Waiting]
    jobs: dict[str, int]
    spaces: list[monitoring.Space]
    tallies: list[Summed]
    answers: dict[int, float]
    incidents: dict[str, int]
    checked: Checked | None
    deliveries: int | None


def read(seen: Seen, deliveries: int | None, *, with_vms: bool) -> Read:
    """In a number of queries that does not depend on what there is. `with_vms`: also each VM."""
    now = database_now()
    at = terms(now)
    return Read(
        now=now,
        vms=list(monitoring.vms(seen, at)) if with_vms else [],
        states=monitoring.states(seen, at),
        health=health.health(now, seen.parts),
        waiting=monitoring.waiting(seen),
        jobs=monitoring.active_jobs(seen),
        spaces=monitoring.spaces(seen),
        tallies=monitoring.tallies(seen),
        answers=monitoring.answer_seconds(seen),
        incidents=monitoring.open_incidents(seen),
        checked=None if seen.runs is None else monitoring.last_check(seen.runs),
        deliveries=deliveries,
    )


class OneScrape(Collector):
    def __init__(self, found: Read) -> None:
        self._read = found

    def collect(self) -> Iterator[Metric]:
        found = self._read
        families = [
            *_vms(found.vms),
            _gauge("vmrep_build", [((__version__,), 1)]),
            *_counts(found),
            *_jobs([each for each in found.tallies if each.kind == TallyKind.JOB]),
            *_answers(found.tallies),
            *_vcenters(found),
            *_repositories(found),
            *_processes(found),
            *_checks(found.checked),
        ]
        return (family for family in families if family.samples)


Values = Iterable[tuple[Sequence[str], float | None]]


def _gauge(name: str, values: Values) -> Metric:
    """`values`: the labels' values, and the value; None is left out."""
    family = _family(name)
    labels = METRICS[name].labels
    for of, value in values:
        if value is not None:
            family.add_sample(METRICS[name].shown_name, dict(zip(labels, of, strict=True)), value)
    return family


def _family(name: str) -> Metric:
    described = METRICS[name]
    return Metric(name, described.meaning, described.kind)


def _vms(vms: Sequence[VM]) -> list[Metric]:
    of = [(vm.context_id, vm.name, vm.vcenter) for vm in vms]
    columns: dict[str, Iterable[float | None]] = {
        "vmrep_vm_usable_point_age_seconds": (vm.point_age_seconds for vm in vms),
        "vmrep_vm_rpo_target_seconds": (vm.target_seconds for vm in vms),
        "vmrep_vm_over_target_seconds": (vm.over_seconds for vm in vms),
    }
    states = (((*labels, vm.state.value), 1) for labels, vm in zip(of, vms, strict=True))
    return [
        _gauge("vmrep_vm_protection", states),
        *(_gauge(name, zip(of, values, strict=True)) for name, values in columns.items()),
    ]


def _counts(found: Read) -> Iterator[Metric]:
    yield _gauge("vmrep_vms", found.states.items())
    yield _gauge("vmrep_jobs_active", (((status,), n) for status, n in found.jobs.items()))
    yield _gauge("vmrep_queue_waiting", (((each.queue,), each.number) for each in found.waiting))
    yield _gauge(
        "vmrep_queue_oldest_waiting_seconds",
        (
            ((each.queue,), max(0.0, (found.now - (each.since or found.now)).total_seconds()))
            for each in found.waiting
        ),
    )
    yield _gauge("vmrep_notifications_waiting", [((), found.deliveries)])
    yield _gauge(
        "vmrep_incidents_open", (((kind,), found.incidents.get(kind, 0)) for kind in _TROUBLES)
    )
    troubles = Counter(trouble.kind.value for trouble in found.health.troubles)
    yield _gauge("vmrep_troubles", (((kind,), troubles[kind]) for kind in _TROUBLES))


_TROUBLES = TroubleKind.values


def _jobs(ended: Sequence[Summed]) -> Iterator[Metric]:
    jobs: Counter[tuple[str, ...]] = Counter()
    read_bytes: Counter[tuple[str, ...]] = Counter()
    by_outcome: dict[tuple[str, ...], list[Summed]] = defaultdict(list)
    for each in ended:
        jobs[each.vcenter, each.outcome, each.replication_type, each.error_code] += each.number
        read_bytes[each.vcenter, each.outcome] += each.bytes
        by_outcome[each.vcenter, each.outcome].append(each)
    yield _gauge("vmrep_jobs", sorted(jobs.items()))
    yield _gauge("vmrep_job_read_bytes", sorted(read_bytes.items()))
    yield _histogram("vmrep_job_duration_seconds", TallyKind.JOB, by_outcome)


def _answers(tallies: Sequence[Summed]) -> Iterator[Metric]:
    for kind, name in _HISTOGRAMS.items():
        by_vcenter: dict[tuple[str, ...], list[Summed]] = defaultdict(list)
        for each in tallies:
            if each.kind == kind:
                by_vcenter[(each.vcenter,)].append(each)
        yield _histogram(name, kind, by_vcenter)
        if kind == TallyKind.READ:
            sums = ((of, sum(it.bytes for it in each)) for of, each in sorted(by_vcenter.items()))
            yield _gauge("vmrep_nfc_read_bytes", sums)


def _histogram(name: str, kind: TallyKind, by: dict[tuple[str, ...], list[Summed]]) -> Metric:
    family, labels = _family(name), METRICS[name].labels
    for of, tallies in sorted(by.items()):
        own = dict(zip(labels, of, strict=True))
        counts = Counter[float | None]()
        for each in tallies:
            counts[each.at_most_seconds] += each.number
        total = 0
        for bound in BOUNDS[kind]:
            total += counts[bound]
            family.add_sample(f"{name}_bucket", {**own, "le": str(bound)}, total)
        # Also what was counted under a bound that is none any more.
        family.add_sample(f"{name}_bucket", {**own, "le": "+Inf"}, counts.total())
        family.add_sample(f"{name}_count", own, counts.total())
        family.add_sample(f"{name}_sum", own, sum(it.microseconds for it in tallies) / 1e6)
    return family


def _vcenters(found: Read) -> Iterator[Metric]:
    yield from _answering("vmrep_vcenter_up", "vmrep_vcenter_last_answer", found.health.vcenters)
    yield _gauge(
        "vmrep_vcenter_answer_seconds",
        (((each.name,), found.answers.get(each.id)) for each in found.health.vcenters),
    )


def _repositories(found: Read) -> Iterator[Metric]:
    yield from _answering(
        "vmrep_repository_up", "vmrep_repository_last_reached", found.health.repositories
    )
    for name, values in (
        ("size", (each.total_bytes for each in found.spaces)),
        ("free", (each.free_bytes for each in found.spaces)),
        ("stored", (each.stored_bytes for each in found.spaces)),
    ):
        of = [(each.name,) for each in found.spaces]
        yield _gauge(f"vmrep_repository_{name}_bytes", zip(of, values, strict=True))


def _answering(up: str, last: str, found: Sequence[Answering]) -> Iterator[Metric]:
    yield _gauge(up, (((each.name,), float(not each.problem)) for each in found))
    yield _gauge(
        f"{last}_timestamp_seconds", (((each.name,), _stamp(each.reached_at)) for each in found)
    )


def _processes(found: Read) -> Iterator[Metric]:
    state = found.health
    # One that was ended is not there, and nobody misses it.
    there = [each for each in state.processes if each.sign.ended_at is None]
    of = [(each.sign.kind, each.sign.name, each.sign.queues) for each in there]
    alive, seen = [each.is_alive for each in there], [each.sign.seen_at for each in there]
    yield _gauge("vmrep_process_up", zip(of, map(float, alive), strict=True))
    yield _gauge(
        "vmrep_process_last_seen_timestamp_seconds", zip(of, map(_stamp, seen), strict=True)
    )
    slots = Counter(dict.fromkeys(EXPECTED, 0))
    for each in there:
        for queue in each.sign.queues.split(",") if each.is_alive and each.sign.queues else ():
            slots[queue] += each.sign.slots
    yield _gauge("vmrep_worker_slots", (((queue,), n) for queue, n in sorted(slots.items())))
    yield _gauge("vmrep_tick_last_run_timestamp_seconds", [((), _stamp(state.tick_at))])
    yield _gauge("vmrep_redis_up", [((), float(not state.redis))])
    yield _gauge("vmrep_redis_last_answer_timestamp_seconds", [((), _stamp(state.redis_at))])


def _checks(checked: Checked | None) -> Iterator[Metric]:
    if checked is None or checked.at is None:
        return
    yield _gauge(
        "vmrep_integrity_findings",
        (((severity,), checked.findings.get(severity, 0)) for severity in Severity.values),
    )
    yield _gauge("vmrep_integrity_last_check_timestamp_seconds", [((), _stamp(checked.at))])
    yield _gauge("vmrep_audit_trail_intact", [((), float(checked.trail_is_intact))])


def _stamp(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
