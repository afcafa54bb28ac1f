"""The client: each operation of the API as a method, and what takes several of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from vmrep.client.errors import WaitedTooLong
from vmrep.client.generated import models
from vmrep.client.generated.operations import Operations
from vmrep.client.transport import Transport
from vmrep.client.trust import Trust

ENDED = ("completed", "failed", "cancelled")
WAIT_SECONDS = 3600.0
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.5, 5.0


class Client(Operations):
    """One vmrep, for one thread at a time; use it as a context manager.

    `address`: `https://vmrep.example.org`. `token`: of the page *API tokens*, or of `post_token`.
    Answers are dictionaries as `vmrep.client.generated.models` describes them. A method raises
    Refused when vmrep says no, and NotReached when it does not answer. `patience`: for how many
    seconds a request is sent again that can be (60).
    """

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        ca_file: str | None = None,
        fingerprint: str | None = None,
        allow_http: bool = False,
        patience: float | None = None,
    ) -> None:
        trust = Trust(ca_file=ca_file, fingerprint=fingerprint, allow_http=allow_http)
        self.transport = Transport(address, token, trust, patience=patience)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.transport.close()

    @property
    def etag(self) -> str | None:
        """Of the last answer: give it as `if_match` to what changes or removes what was read."""
        return self.transport.etag

    def wait_for_job(
        self,
        job_id: str,
        *,
        seconds: float = WAIT_SECONDS,
        on_look: Callable[[models.JobDetail], None] | None = None,
    ) -> models.JobDetail:
        """The job once it has ended, however it did. Raises WaitedTooLong."""
        until = time.monotonic() + seconds
        pause = FIRST_LOOK_SECONDS
        while True:
            job = self.get_replication(job_id)
            if on_look is not None:
                on_look(job)
            if job["status"] in ENDED:
                return job
            left = until - time.monotonic()
            if left <= 0:
                raise WaitedTooLong(
                    f"Job {job_id} is still {job['status']} after {seconds:.0f} s; it goes on."
                )
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_LOOK_SECONDS)

    def wait_for_discovery(
        self, vcenter_id: int, *, seconds: float = WAIT_SECONDS
    ) -> models.VCenterLastDiscovery:
        """The newest discovery of a vCenter once it has ended. Raises WaitedTooLong."""
        until = time.monotonic() + seconds
        while True:
            found = self.get_vcenter(vcenter_id)["last_discovery"]
            if found is not None and found["status"] not in ("pending", "running"):
                return found
            if time.monotonic() > until:
                raise WaitedTooLong(f"The discovery is not over after {seconds:.0f} s; it goes on.")
            time.sleep(FIRST_LOOK_SECONDS)
