"""The demo's acts in order: discover, take, replicate, let guests write, replicate, check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contexts.models import DiscoveredVM, VMContext
from replication.states import SyncType
from vmrep.demo import estate, guests, integrity, report, rounds
from vmrep.demo.report import Refused
from vmrep.demo.rounds import Outcome
from vmrep.lab.control.client import LabControl
from vmrep.lab.estate import scenario

SCENARIO = "demo"
# The demo does not take these: they are for the user to try.
FOR_THE_USER = ("web01", "till-07", "scratch-disk", "debian12-template")


def play(
    lab: estate.LabAddress, control: LabControl, repository: Path, *, whole: bool
) -> tuple[dict[str, Any], list[str]]:
    """Play all acts; returns the result for a program, and what went wrong.

    whole: all VMs are taken, and nobody else uses this vmrep, so that more can be checked.
    """
    left = () if whole else FOR_THE_USER
    contexts, refused = _take(lab, repository, left)
    # A demo that was interrupted continues with what is left.
    new = [context for context in contexts if not rounds.has_recovery_point(context)]
    say(f"Replicating {len(new)} of them in full:")
    control.keep_snapshots()
    first = rounds.replicate(new, control, show)
    refused += [Refused(one.vm_name, one.refused) for one in first if one.refused]

    copied = [context for context in contexts if rounds.has_recovery_point(context)]
    say("Letting the guests write, and replicating what they changed:")
    written = guests.write(copied, control, seed="demo")
    second = rounds.replicate(copied, control, show)
    control.keep_snapshots(False)
    say(f"\n{report.table(first, second)}\n")

    damages = list(integrity.problems()) if whole else []
    problems = [*_failures([*first, *second]), *_wrong_refusals(refused, left), *damages]
    if whole:
        problems += _wrong_figures(first, second, written)
    return report.as_json(first, second, written, refused, damages), problems


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def show(outcome: Outcome) -> None:
    say(report.line(outcome))


def _take(
    lab: estate.LabAddress, repository: Path, left: tuple[str, ...]
) -> tuple[list[VMContext], list[Refused]]:
    """The VMs under management, and those that cannot be told apart."""
    vcenter = estate.vcenter(lab)
    found = [vm for vm in estate.discover(vcenter) if vm.vm_name not in left]
    takeable = [vm for vm in found if vm.vmware_vm_id is not None]
    contexts = estate.take(takeable, estate.repository(repository))
    say(f"Discovered the VMs of {vcenter} and took {len(contexts)} under management.")
    if left:
        say(f"Left for you to take: {', '.join(left)}.")
    return contexts, [_unidentified(vm) for vm in found if vm.vmware_vm_id is None]


def _unidentified(vm: DiscoveredVM) -> Refused:
    return Refused(vm.vm_name or vm.moref or "", vm.identity_problem)


def _failures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.problem:
            yield f"{outcome.vm_name}, {outcome.job_id}: {outcome.problem}"


def _wrong_refusals(refused: Sequence[Refused], left: tuple[str, ...]) -> Iterator[str]:
    """Compare with the scenario, which knows what it made, not what vmrep makes of it."""
    expected = Counter(
        vm.name
        for vm in scenario.load(SCENARIO).vms
        if vm.name not in left and _must_be_refused(vm)
    )
    found = Counter(one.vm_name for one in refused)
    for name in (found - expected).elements():
        yield f"{name} was refused, and should not have been"
    for name in (expected - found).elements():
        yield f"{name} should have been refused, and was not"


def _must_be_refused(vm: scenario.VmSpec) -> bool:
    independent = any(disk.mode.startswith("independent") for disk in vm.disks)
    return vm.template or bool(vm.snapshots) or independent or vm.instance_uuid == "none"


def _wrong_figures(
    first: Sequence[Outcome], second: Sequence[Outcome], written: Mapping[str, int]
) -> Iterator[str]:
    """The full copies are full; the later ones move what the guests wrote, and no more."""
    for outcomes, expected in (
        (first, str(SyncType.INITIAL)),
        (second, str(SyncType.INCREMENTAL)),
    ):
        for one in outcomes:
            if one.identical and set(one.sync_types) != {expected}:
                yield f"{one.vm_name}, {one.job_id}: {one.sync_types} instead of {expected}"
    for one in second:
        if one.identical and one.bytes_transferred != written[one.context_id]:
            yield (
                f"{one.vm_name}, {one.job_id}: its guest wrote {written[one.context_id]} bytes, "
                f"but {one.bytes_transferred} were transferred"
            )
