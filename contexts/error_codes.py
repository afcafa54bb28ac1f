"""A stable code for each expected failure, for programs: in the API's answers and on failed jobs.
docs/api.md lists them."""

from __future__ import annotations

import re

from contexts.errors import ContextError

UNEXPECTED = "unexpected"
"""For a failure that vmrep has no class for."""
WORKER_LOST = "worker_lost"
"""For a job whose workers died repeatedly."""


def code_of(problem: Exception) -> str:
    """The class's own code, else its name: CertificateNotTrusted → certificate_not_trusted."""
    if isinstance(problem, ContextError):
        return problem.code
    name = type(problem).__name__.replace("VSphere", "Vsphere")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
