"""The scheduler's own code in virtual time: any number of VMs, for any time, while much fails.

python -m vmrep.bench.simulation --vms 10000 --days 7 --workers 20

Prints what happened, and on the last line the same as JSON. A rule that is broken ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

import django

from vmrep.bench.processes import machine

if TYPE_CHECKING:
    from vmrep.bench.virtual_estate import Plan
    from vmrep.bench.virtual_time import World


def main(arguments: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    # Only now: the scheduler's rooms need Django's settings, though no database.
    from vmrep.bench.virtual_estate import Plan
    from vmrep.bench.virtual_time import World

    parser = argparse.ArgumentParser(prog="vmrep.bench.simulation", description=__doc__)
    for field in fields(Plan):
        if field.name not in ("same_target", "calm"):
            option = f"--{field.name.replace('_', '-')}"
            parser.add_argument(option, type=type(field.default), default=field.default)
    parser.add_argument("--calm", action="store_true", help="nothing goes wrong")
    parser.add_argument("--mixed-targets", action="store_true", help="of one to four times")
    wanted = vars(parser.parse_args(arguments))
    plan = Plan(**{"same_target": not wanted.pop("mixed_targets"), **wanted})
    began = time.process_time()
    world = World(plan)
    world.run(lambda day: _say_the_day(day, world))
    report = summary(plan, world)
    report["cpu_seconds"] = round(time.process_time() - began, 1)
    for name, value in report.items():
        print(f"{name:36} {value}")  # noqa: T201
    print(json.dumps({"plan": asdict(plan), **report, "machine": machine()}))  # noqa: T201
    return 0


def _say_the_day(day: int, world: World) -> None:
    told = world.told
    figures = f"{told.jobs:,} jobs, {len(told.breaches):,} breaches"
    foretold = f"{world.figures.share_foretold():.3f} of those that could be were foretold"
    print(f"Day {day}: {figures}; {foretold}", flush=True)  # noqa: T201


def summary(plan: Plan, world: World) -> dict[str, object]:
    told, figures = world.told, world.figures
    causes = Counter(figures.cause_of(breach) for breach in told.breaches)
    return {
        "jobs": told.jobs,
        "jobs failed": told.failed,
        "jobs taken over": told.taken_over,
        "workers busy, share": round(told.busy_seconds / told.live_seconds, 3),
        "most jobs ready at once": told.most_ready,
        "most jobs active at once": told.most_active,
        "most VMs due at once": told.most_due,
        "most running": {f"{kind}": most for (kind, _), most in told.most_running.items()},
        "limits": {"vcenter": plan.vcenter_jobs, "repository": plan.repository_jobs},
        "longest wait, s": {str(lane): wait for lane, wait in told.longest_wait.items()},
        "time within target, share": round(figures.share_within(), 5),
        "breaches": len(told.breaches),
        "breaches by cause": dict(causes),
        "breaches while vmrep was down": sum(map(figures.began_at_night, told.breaches)),
        "foretold, of the others": round(world.figures.share_foretold(), 4),
        "foretold at least so early, s": figures.told_ahead(),
        "foretold, but kept": told.taken_back,
        "groups": len(world.groups),
        "runs of groups": told.runs,
        "VMs together in their runs, share": figures.share_together(),
        "most VMs gathered at once": told.most_gathered,
        "longest wait of a run, s": round(told.longest_wait_of_a_run),
        "breaches of VMs in groups": sum(it.vm.group is not None for it in told.breaches),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
