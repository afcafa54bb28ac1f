"""What the demo does in vmrep once it runs: everything from a vCenter to proven replicas.

A separate process, which uses the services that the pages and the API use; the workers do the
work. It exits with 0 when every replica equals its snapshot, only what must be refused was refused,
and the database is intact.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import django


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="vmrep.demo.driver")
    parser.add_argument("--lab-port", type=int, required=True)
    parser.add_argument("--lab-user", required=True)
    parser.add_argument("--lab-password-file", type=Path, required=True)
    parser.add_argument("--lab-control", required=True)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--result", type=Path, help="take all VMs, and write the result there")
    wanted = parser.parse_args(arguments)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    # Only now: these need Django's models.
    from contexts.errors import ContextError
    from contexts.vsphere.errors import VSphereError
    from vmrep.demo.estate import LabAddress
    from vmrep.demo.play import play
    from vmrep.demo.report import shown
    from vmrep.lab.control.client import LabControl
    from vmrep.lab.errors import LabError
    from vmrep.local.errors import LocalError

    lab = LabAddress(wanted.lab_port, wanted.lab_user, wanted.lab_password_file.read_text().strip())
    try:
        result, problems = play(
            lab, LabControl(wanted.lab_control), wanted.repository, whole=bool(wanted.result)
        )
    except (LocalError, LabError, ContextError, VSphereError) as refusal:
        print(f"script/demo: {refusal}", file=sys.stderr)  # noqa: T201
        return 1
    if wanted.result:
        wanted.result.write_text(json.dumps(result) + "\n")
    for problem in problems:
        print(f"PROBLEM: {shown(problem)}", file=sys.stderr)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
