#!/usr/bin/env python
"""Django's command line for vmrep. What a command does is done by whoever called it."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    from django.core.management import execute_from_command_line
    from structlog.contextvars import bind_contextvars

    from vmrep.command_line import by_caller

    bind_contextvars(command=" ".join(sys.argv[1:2]))
    with by_caller():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
