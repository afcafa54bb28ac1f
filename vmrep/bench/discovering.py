"""How long it takes to store what a discovery read: the first time, and again when nothing changed.

python -m vmrep.bench.discovering --vms N --report FILE

Only the storing is measured, in the empty database that DATABASE_URL names. The second time, half
of the VMs are under management, so that their contexts, disks and adapters are compared, too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import django

from contexts.vsphere.collector import PAGE_SIZE as PAGE

if TYPE_CHECKING:
    from contexts.models import VCenter
    from contexts.vsphere.records import VmRecord

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vms", type=int, required=True)
    parser.add_argument("--report", type=Path, required=True)
    wanted = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    wanted.report.write_text(json.dumps(measure(wanted.vms)))


def measure(vms: int) -> dict[str, float]:
    """Seconds for the first time, and for a time that found nothing new: the fastest of `ROUNDS`
    each, by turns, so that the machine's other load meets both. Every round has a new vCenter."""
    from contexts.models import DiscoveredVM, VCenter
    from contexts.services import management
    from vmrep.bench.machines import machine

    random = Random(1)  # noqa: S311
    records = [machine(number, random) for number in range(vms)]
    first, again = [], []
    for number in range(ROUNDS):
        vcenter = VCenter.objects.create(
            name=f"bench {number}", host=f"{number}.bench.invalid", username="nobody"
        )
        first.append(_store(vcenter, records))
        half = list(DiscoveredVM.objects.filter(vcenter=vcenter).order_by("pk")[: vms // 2])
        for begin in range(0, len(half), PAGE):
            management.take(half[begin : begin + PAGE], repository=None, actor="bench")
        again.append(_store(vcenter, records))
    return {"first": min(first), "again": min(again)}


def _store(vcenter: VCenter, records: Sequence[VmRecord]) -> float:
    from contexts.services import discovery
    from contexts.vsphere.records import InventoryPage

    begun = time.perf_counter()
    pages = (
        InventoryPage(tuple(records[begin : begin + PAGE]), len(records))
        for begin in range(0, len(records), PAGE)
    )
    for _ in discovery.store(vcenter, pages):
        pass
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
