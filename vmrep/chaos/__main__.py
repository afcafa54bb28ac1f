"""`script/chaos`: replications and removals of recovery points with faults at random."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from vmrep.chaos.kinds import KINDS
from vmrep.local.ports import THIS_MACHINE


def main(arguments: list[str]) -> int:
    wanted = _parser().parse_args(arguments)
    if wanted.kinds:
        print("\n".join(kind.name for kind in KINDS))  # noqa: T201
        return 0
    seed = secrets.randbelow(1_000_000) if wanted.seed is None else wanted.seed
    folder = Path(tempfile.mkdtemp(prefix="vmrep-chaos."))
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "vmrep.settings",
        "VMREP_DATA_DIR": str(folder / "data"),
        "VMREP_REDIS_URL": f"redis+socket://{folder}/no-redis",
        "VMREP_ALLOW_ADDRESSES": THIS_MACHINE,  # the lab's
        "DATABASE_URL": wanted.postgres or f"sqlite:///{folder}/chaos.sqlite3",
    }
    os.environ.setdefault("VMREP_LOG_LEVEL", "CRITICAL")  # what happens is meant to
    import django

    django.setup()
    # Whatever uses a database can be imported from here on.
    from vmrep.chaos.driver import Driver

    kinds = [kind for kind in KINDS if wanted.only in kind.name]
    # As after Ctrl-C: the lab and the workers are stopped, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    return Driver(folder, kinds, seed, go_on=wanted.go_on).run(wanted.minutes * 60)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/chaos",
        description="Histories of replications and of removals of recovery points, with a fault at "
        "each. After each fault all recovery points must read as their snapshots did, nothing may "
        "be left behind, and the next replication must succeed. The last line is the result as "
        "JSON; the exit code is 1 when something was not as it must be, or when no fault happened: "
        "its folder stays.",
    )
    parser.add_argument("--minutes", type=float, default=3, help="how long (default: 3)")
    parser.add_argument("--seed", type=int, help="what is drawn (default: another one each time)")
    parser.add_argument("--go-on", action="store_true", help="also after something was wrong")
    parser.add_argument("--only", default="", metavar="WORDS", help="kinds with these words alone")
    parser.add_argument("--kinds", action="store_true", help="list the kinds of fault")
    parser.add_argument("--postgres", metavar="URL", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
