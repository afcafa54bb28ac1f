"""What happened in a simulation, and what it comes to."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from replication.scheduler.decide import Lane
from vmrep.bench.virtual_estate import VM, Plan, Troubles

RECOVERY_SECONDS = 1800.0


@dataclass
class Breach:
    """A VM was over its target. `told_at`: when that was foretold, if it was."""

    vm: VM
    begin: float
    end: float
    told_at: float | None


@dataclass
class Told:
    """What happened. `longest_wait`: of a VM that was due and could have been started.

    `runs`: of groups; `together`: their VMs whose snapshots were taken with the others',
    `left_out`: all others. `most_gathered`: VMs at once."""

    jobs: int = 0
    failed: int = 0
    taken_over: int = 0
    breaches: list[Breach] = field(default_factory=list)
    taken_back: int = 0
    most_ready: int = 0
    most_active: int = 0
    most_due: int = 0
    most_running: Counter[tuple[str, int]] = field(default_factory=Counter)
    longest_wait: defaultdict[Lane, float] = field(default_factory=lambda: defaultdict(float))
    busy_seconds: float = 0.0
    live_seconds: float = 0.0
    runs: int = 0
    most_gathered: int = 0
    together: int = 0
    left_out: int = 0
    longest_wait_of_a_run: float = 0.0


class Figures:
    """What it comes to."""

    def __init__(self, plan: Plan, troubles: Troubles, told: Told) -> None:
        self._plan, self._troubles, self._told = plan, troubles, told

    def cause_of(self, breach: Breach) -> str:
        """What kept the VM from a new recovery point, or had kept others just before."""
        vm, night = breach.vm, self._troubles.night
        since = breach.begin - vm.target_seconds
        if night.begin < breach.end and since < night.end + RECOVERY_SECONDS:
            return "a night without vmrep"
        if vm.sick and vm.sick.begin < breach.end and since < vm.sick.end + RECOVERY_SECONDS:
            return "the VM failed again and again"
        outages = self._troubles.outages[vm.vcenter_id]
        if any(it.begin < breach.end and since < it.end + RECOVERY_SECONDS for it in outages):
            return "its vCenter was away"
        everyone = [span for spans in self._troubles.outages.values() for span in spans]
        if any(it.begin < breach.end and since < it.end + RECOVERY_SECONDS for it in everyone):
            return "another vCenter was away"
        return "other"

    def share_within(self) -> float:
        """Of the time since each VM's first recovery point: all had one but the new ones."""
        over = sum(breach.end - breach.begin for breach in self._told.breaches)
        return 1.0 - over / (self._plan.vms * self._plan.end)

    def began_at_night(self, breach: Breach) -> bool:
        """While nobody was there to tell anything."""
        return self._troubles.is_night(breach.begin)

    def share_foretold(self) -> float:
        """Of the breaches that began while somebody could tell."""
        ahead = self._ahead()
        return sum(seconds > 0 for seconds in ahead) / len(ahead) if ahead else 1.0

    def told_ahead(self) -> dict[str, int]:
        """How many seconds before they began, at least: nine of ten, half of them, one of ten."""
        ahead = sorted(self._ahead()) or [0.0]
        shares = {"9 of 10": 0.1, "half": 0.5, "1 of 10": 0.9}
        return {name: round(ahead[int(len(ahead) * share)]) for name, share in shares.items()}

    def share_together(self) -> float:
        """Of the VMs of all runs of groups."""
        told = self._told
        return round(told.together / max(1, told.together + told.left_out), 4)

    def _ahead(self) -> list[float]:
        return [
            0.0 if breach.told_at is None else breach.begin - breach.told_at
            for breach in self._told.breaches
            if not self.began_at_night(breach)
        ]
