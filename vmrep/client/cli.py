"""The command `vmrep`: what a user asks of vmrep at a terminal or in a script (docs/client.md)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum

from vmrep import __version__
from vmrep.client import commands, entering, login
from vmrep.client.errors import ClientError, NotReached, Refused, WaitedTooLong
from vmrep.client.finding import NotTheOne
from vmrep.client.output import Output
from vmrep.client.shown import safe
from vmrep.client.times import duration, time_of

PROTECTION = ("protected", "over_target", "no_target", "broken", "unprotected")
STATUS = ("discovered", "replicating", "ready_for_failover", "failed")
JOB_STATUS = ("pending", "running", "completed", "failed", "cancelled")
SYNC = ("as_needed", "checksum", "initial", "reset_cbt")


class Exit(IntEnum):
    """docs/client.md lists them."""

    DONE = 0
    JOB_FAILED = 1
    WRONG_USE = 2
    REFUSED = 3
    NOT_THE_ONE = 4
    NOT_REACHED = 5
    NOT_ALLOWED = 6
    WAITED_TOO_LONG = 7
    INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    wanted = _parser().parse_args(arguments)
    output = Output(as_json=getattr(wanted, "json", False))
    try:
        ended_well = wanted.run(wanted, output)
    except BrokenPipeError:
        # Whoever read the output has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except KeyboardInterrupt:
        output.tell("")
        return Exit.INTERRUPTED
    except ClientError as problem:
        output.complain(problem)
        return _exit_of(problem)
    return Exit.DONE if ended_well else Exit.JOB_FAILED


def _exit_of(problem: ClientError) -> Exit:
    if isinstance(problem, Refused):
        if problem.status in (401, 403):
            return Exit.NOT_ALLOWED
        gone = problem.status == 404 or problem.code.startswith("ambiguous_")
        return Exit.NOT_THE_ONE if gone else Exit.REFUSED
    kinds: dict[type[ClientError], Exit] = {
        NotTheOne: Exit.NOT_THE_ONE,
        NotReached: Exit.NOT_REACHED,
        WaitedTooLong: Exit.WAITED_TOO_LONG,
        login.NoLogin: Exit.NOT_ALLOWED,
    }
    return kinds.get(type(problem), Exit.WRONG_USE)


class _Parser(argparse.ArgumentParser):
    """What was typed may hold anything, too."""

    def error(self, message: str) -> None:  # type: ignore[override]  # it never returns
        super().error(safe(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vmrep",
        description="Ask a vmrep about its VMs, and let it replicate them.",
        epilog="Exit codes: 0 done; 1 the job failed or was cancelled; 2 wrong use; 3 refused;"
        " 4 no such VM or job, or several; 5 not reached; 6 no login, or not allowed; 7 waited too"
        " long; 130 Ctrl-C.",
    )
    parser.add_argument("--version", action="version", version=f"vmrep {__version__}")
    adding = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    add = _Adding(adding)
    _add_reading(add)
    _add_jobs(add)
    _add_managing(add)
    _add_entering(add)
    return parser


class _Adding:
    """Adds commands that share their options."""

    def __init__(self, commands: argparse._SubParsersAction[_Parser]) -> None:
        self._commands = commands

    def __call__(
        self, name: str, run: Callable[[argparse.Namespace, Output], bool], words: str
    ) -> argparse.ArgumentParser:
        parser = self._commands.add_parser(name, help=words, description=words)
        parser.set_defaults(run=run)
        parser.add_argument("--json", action="store_true", help="as JSON, for programs")
        return parser


def _with_vm(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    nargs: dict[str, str] = {"nargs": "+"} if several else {}
    words = "the VM's name, its context ID, or its instance UUID"
    parser.add_argument("name", metavar="NAME", help=words, **nargs)  # type: ignore[arg-type]
    parser.add_argument("--vcenter", metavar="HOST", help="its vCenter, if several have the name")


def _with_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="until it has ended; 1 if it failed")
    parser.add_argument(
        "--timeout",
        type=duration,
        default=duration("1h"),
        metavar="TIME",
        help="how long to wait at most: 90s, 15m, 2h (1h); the job goes on",
    )


def _add_reading(add: _Adding) -> None:
    vms = add("vms", commands.vms, "The VMs under management")
    vms.add_argument("--status", action="append", choices=STATUS)
    vms.add_argument("--protection", action="append", choices=PROTECTION)
    vms.add_argument("--search", metavar="WORDS")
    _with_vm(add("vm", commands.vm, "One VM"))
    _with_vm(add("points", commands.points, "The recovery points of a VM"))
    jobs = add("jobs", commands.jobs, "Jobs, the newest first")
    jobs.add_argument("--status", action="append", choices=JOB_STATUS)
    jobs.add_argument("--vm", metavar="NAME", help="only those of this VM")
    jobs.add_argument("--vcenter", metavar="HOST", help="its vCenter, if several have the name")
    jobs.add_argument("--limit", type=_count, default=50, metavar="N", help="at most so many (50)")
    add("policies", commands.policies, "The policies")
    add("pauses", commands.pauses, "What is paused now")
    add("vcenters", commands.vcenters, "The vCenters")


def _add_jobs(add: _Adding) -> None:
    replicate = add("replicate", commands.replicate, "Start a replication of a VM")
    _with_vm(replicate)
    replicate.add_argument("--sync", choices=SYNC, default="as_needed", help="(as_needed)")
    _with_wait(replicate)
    job = add("job", commands.job, "One job")
    job.add_argument("id", metavar="ID")
    _with_wait(job)
    cancel = add("cancel", commands.cancel, "Cancel a job")
    cancel.add_argument("id", metavar="ID")
    retry = add("retry", commands.retry, "Start a job that does what a failed one did not")
    retry.add_argument("id", metavar="ID")
    _with_wait(retry)


def _add_managing(add: _Adding) -> None:
    discover = add("discover", commands.discover, "Read the VMs of a vCenter, and list them")
    discover.add_argument("vcenter", metavar="VCENTER", help="its name, host or ID")
    discover.add_argument("--timeout", type=duration, default=duration("1h"), metavar="TIME")
    take = add("take", commands.take, "Take discovered VMs under management")
    _with_vm(take, several=True)
    take.add_argument("--repository", metavar="NAME", help="where their replicas are to be kept")
    take.add_argument("--target", type=duration, metavar="TIME", help="the RPO target: 15m, 4h")
    release = add("release", commands.release, "Remove a VM from management; its replica stays")
    _with_vm(release)
    for name, run, words in (
        ("pause", commands.pause, "Keep VMs from being replicated by themselves"),
        ("resume", commands.resume, "End pauses"),
    ):
        pause = add(name, run, words)
        pause.add_argument("name", metavar="NAME", nargs="?", help="a VM")
        pause.add_argument("--vcenter", metavar="HOST", help="of that VM; alone: all of its VMs")
        pause.add_argument("--policy", metavar="NAME", help="all VMs of this policy")
        pause.add_argument("--all", action="store_true", help="all VMs")
        if name == "pause":
            until = pause.add_mutually_exclusive_group()
            until.add_argument("--for", dest="length", type=duration, metavar="TIME", help="2h, 3d")
            until.add_argument("--until", type=time_of, metavar="TIME", help="2026-12-24T18:00:00Z")
            pause.add_argument("--reason", default="", metavar="WORDS")


def _add_entering(add: _Adding) -> None:
    enter = add("login", entering.enter, "Log in, and keep a token for the other commands")
    enter.add_argument("url", metavar="ADDRESS", help="https://vmrep.example.org")
    enter.add_argument("--user", metavar="NAME")
    enter.add_argument("--scope", choices=("read", "write", "danger"), default="write")
    enter.add_argument("--days", type=_count, default=30, metavar="N", help="valid for (30)")
    enter.add_argument("--ca-file", metavar="FILE", help="certificates of your authority")
    enter.add_argument("--fingerprint", metavar="SHA256", help="of the server's own certificate")
    enter.add_argument("--allow-http", action="store_true", help="let it travel unencrypted")
    given = enter.add_mutually_exclusive_group()
    given.add_argument("--password-stdin", action="store_true", help="read the password there")
    given.add_argument("--token-stdin", action="store_true", help="keep a token that you have")
    add("logout", entering.leave, "Revoke the token, and forget it")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= 3650):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 3650")
    return int(text)
