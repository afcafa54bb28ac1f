"""The demo's own programs: one prepares the database, the other drives the replications."""

from __future__ import annotations

from vmrep.local.folder import DataFolder, Remembered
from vmrep.local.ports import LOCALHOST
from vmrep.local.programs import LAB_USER, python
from vmrep.local.supervisor import Program


def prepare(*, first: bool, flush: bool, with_admin: bool) -> Program:
    options = {"--first": first, "--flush": flush, "--with-admin": with_admin}
    return Program(
        "prepare",
        python("vmrep.demo.prepare", *(name for name, wanted in options.items() if wanted)),
        quiet=False,
    )


def driver(folder: DataFolder, ports: Remembered, *options: str) -> Program:
    arguments = ["--lab-port", str(ports.lab_port), "--lab-user", LAB_USER]
    arguments += ["--lab-password-file", str(folder.lab_password)]
    arguments += ["--lab-control", f"http://{LOCALHOST}:{ports.lab_control_port}"]
    arguments += ["--repository", str(folder.repository)]
    return Program("driver", python("vmrep.demo.driver", *arguments, *options), quiet=False)
