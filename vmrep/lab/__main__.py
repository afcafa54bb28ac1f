"""`python -m vmrep.lab`: run the lab from a shell until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

from vmrep.lab.errors import LabError
from vmrep.lab.estate.scenario import available
from vmrep.lab.lab import HOST, USERNAME, Lab
from vmrep.private import keep_private


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m vmrep.lab", description="A simulated vCenter with real disks."
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the lab keeps its state")
    parser.add_argument(
        "--scenario",
        default="demo",
        help=f"a scenario's name ({', '.join(available())}) or a TOML file (default: demo)",
    )
    parser.add_argument("--port", type=int, default=8989, help="HTTPS port (0: any free one)")
    parser.add_argument(
        "--control-port", type=int, default=0, help="port of the control surface (0: any free one)"
    )
    parser.add_argument(
        "--churn",
        type=float,
        nargs="?",
        const=5.0,
        metavar="SECONDS",
        help="let guests write by themselves (every 5 seconds)",
    )
    parser.add_argument(
        "--host", choices=("127.0.0.1", "::1"), default=HOST, help="the address to listen at"
    )
    parser.add_argument(
        "--old-tls", action="store_true", help="know no TLS newer than 1.1, as an old host"
    )
    parser.add_argument("--username", default=USERNAME)
    parser.add_argument(
        "--password-file",
        type=Path,
        help="a file with the password; without it, one is made and shown in the ready line",
    )
    parser.add_argument("--verbose", action="store_true", help="log every call")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop. Prints one JSON line on stdout when ready."""
    options = _arguments(argv)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    keep_private()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        _serve(options, stopped)
    except (LabError, OSError) as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1
    return 0


def _serve(options: argparse.Namespace, stopped: threading.Event) -> None:
    password = None
    if options.password_file:
        password = options.password_file.read_text(encoding="utf-8").strip()
    if options.churn is not None and options.churn <= 0:
        raise LabError("--churn takes seconds greater than 0")
    lab = Lab(
        options.folder,
        options.scenario,
        port=options.port,
        control_port=options.control_port,
        username=options.username,
        password=password,
        churn_seconds=options.churn,
        host=options.host,
        newest_tls=ssl.TLSVersion.TLSv1_1 if options.old_tls else None,
    )
    with lab:
        ready: dict[str, Any] = {
            "ready": True,
            "host": lab.host,
            "port": lab.port,
            "control_url": lab.control_url,
            "username": lab.username,
        }
        if password is None:
            ready["password"] = lab.password
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
