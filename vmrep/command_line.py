"""Who calls `manage.py`: the account of this machine, for the audit trail."""

from __future__ import annotations

import os
import pwd
from contextlib import AbstractContextManager

from contexts import trail
from contexts.trail import Somebody, Via


def by_caller() -> AbstractContextManager[None]:
    """Whatever is done within is done by the account that runs this process."""
    return trail.acting(Somebody(via=Via.COMMAND, actor=_account()))


def _account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user ID without a name, as in some containers
        return f"user ID {os.getuid()}"
