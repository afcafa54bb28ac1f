"""A stable code for each expected failure: what programs go by, in the API's answers and of failed
jobs. docs/api.md lists them."""

from __future__ import annotations

import re

from contexts.errors import ContextError

UNEXPECTED = "unexpected"
"""Of a failure that vmrep has no class for."""
WORKER_LOST = "worker_lost"
"""Of a job whose workers died, time and again."""


def code_of(problem: Exception) -> str:
    """What the class says, else its name: CertificateNotTrusted → certificate_not_trusted."""
    if isinstance(problem, ContextError):
        return problem.code
    name = type(problem).__name__.replace("VSphere", "Vsphere")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
