"""A daily report in words for mails and chats, and in figures for programs."""

from __future__ import annotations

from contexts.text import duration, percent, plural, printable
from replication.reports.daily import Breach, Report
from replication.reports.failures import why_failed
from replication.states import JobStatus, Protection

_GIB = 1 << 30
_TOLD = frozenset(Breach._fields) - {"vm", "apart"}


def headline(report: Report) -> str:
    """The one thing to know: "99.2 % within target, 3 breaches"."""
    count = len(report.breaches)
    told = plural(count, "breach", "breaches") if count else "no breach"
    return f"{share(report)}, {told}"


def numbers(report: Report) -> list[tuple[str, str]]:
    """Everything but the breaches, with its name."""
    jobs = {status: report.jobs.get(status, 0) for status in JobStatus.values}
    found = [
        ("Within target", share(report)),
        *(
            (
                f"… {printable(each.policy) or 'own values'}",
                f"{percent(each.share)} of {plural(each.vms, 'VM')}",
            )
            for each in report.by_policy
            if each.share is not None
        ),
        *(
            (str(Protection(state).label), plural(count, "VM"))
            for state, count in report.states.items()
        ),
        (
            "Replications",
            f"{jobs[JobStatus.COMPLETED]} completed, {jobs[JobStatus.FAILED]} failed,"
            f" {jobs[JobStatus.CANCELLED]} cancelled",
        ),
        *((f"Failed: {why_failed(code)}", str(count)) for code, count in report.failures.items()),
        ("Read", _gib(report.read_bytes)),
        ("Stored", _gib(report.stored_bytes)),
    ]
    for each in report.space:
        if each.free_bytes is None or each.total_bytes is None:
            found.append((f"Space of {printable(each.name)}", "unknown"))
            continue
        full = "" if each.full_in_seconds is None else f", full in {duration(each.full_in_seconds)}"
        room = f"{_gib(each.free_bytes)} free of {_gib(each.total_bytes)}{full}"
        found.append((f"Space of {printable(each.name)}", room))
    return found


def breaches(report: Report, most: int) -> list[str]:
    """The longest ones, a line each."""
    return [_line(each) for each in report.breaches[:most]]


def data(report: Report, most: int) -> dict[str, object]:
    return {
        "day": report.day.isoformat(),
        "time_zone": report.time_zone,
        "within_target": report.within_target,
        "within_target_by_policy": [each._asdict() for each in report.by_policy],
        "states": report.states,
        "jobs": report.jobs,
        "failures": report.failures,
        "read_bytes": report.read_bytes,
        "stored_bytes": report.stored_bytes,
        "breach_count": len(report.breaches),
        "breaches": [
            {
                **{name: value for name, value in each._asdict().items() if name in _TOLD},
                "began_at": each.began_at.isoformat(),
                "ended_at": each.ended_at.isoformat() if each.ended_at else None,
            }
            for each in report.breaches[:most]
        ],
        "space": [each._asdict() for each in report.space],
    }


def share(report: Report) -> str:
    """How much of the VMs' time with a target they were within it."""
    if report.within_target is None:
        return "no VM had a target"
    return f"{percent(report.within_target)} within target"


def _line(breach: Breach) -> str:
    state = Protection(breach.state).label.lower()
    worst = breach.worst_age_seconds
    age = "" if worst is None else f", its newest recovery point up to {duration(worst)} old"
    warned = breach.warned_seconds
    told = "" if warned is None else f", foretold {duration(warned)} before"
    name = printable(breach.vm_name or breach.context_id)
    apart = f" ({printable(breach.apart)})" if breach.apart else ""
    return f"{name}{apart} was {state} for {duration(breach.seconds)}{age}{told}"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.1f} GiB"
