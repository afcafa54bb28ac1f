"""A login to a vSphere endpoint: kept alive, renewed once when it expires, and ended."""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pyVmomi import vim

from contexts.vsphere.budget import Bounds, Budget
from contexts.vsphere.endpoint import Endpoint
from contexts.vsphere.errors import (
    ConnectionLost,
    OtherEstate,
    PrivilegeMissing,
    SessionExpired,
    VSphereError,
    VSphereFault,
)
from contexts.vsphere.faults import translating
from contexts.vsphere.server import About, Content, about_of, what_next
from contexts.vsphere.stub import Stub, negotiate_version
from contexts.vsphere.tls import VSphereConnection
from contexts.vsphere.verdicts import Activity

logger = logging.getLogger(__name__)
T = TypeVar("T")

_CLOSING_SECONDS = 5.0
_PAUSE_SECONDS = 0.5  # before a read is repeated after a fault
# For the few MiB that a copy asks for at once, over a slow line that several connections share.
RANGE_SECONDS = 300.0


class Logins(Protocol):
    """Who decides whether a login is tried, and hears how it went and who answered."""

    def begin(self) -> None:
        """Called before each login. Raises a VSphereError: then none is tried."""

    def end(self, problem: VSphereError | None) -> None:
        """Called after each login that began; None: it was accepted."""

    def met_another(self, instance_uuid: str) -> None:
        """Called before OtherEstate is raised, with the UUID that was presented."""


def who_answers(endpoint: Endpoint, timeout: float, reading: Budget) -> About:
    """Which server answers there, without a login: of the endpoint only address and trust matter.

    Raises as `Session.connect` does before it logs in, except OtherEstate.
    """
    stub = Stub(endpoint, negotiate_version(endpoint, timeout, reading), timeout, reading)
    try:
        return about_of(_content(stub, endpoint).about)
    finally:
        stub.drop_connections()


def _content(stub: Stub, endpoint: Endpoint) -> Content:
    place = f"{endpoint.host}:{endpoint.port}"
    with translating(f"Connecting to {place}", Activity.CONNECTING):
        return Content(vim.ServiceInstance("ServiceInstance", stub).RetrieveContent(), place)


class Session:
    """One login, used as a context manager. One stub, one session cookie.

    SOAP calls are made by one thread (and by the session's own keep-alive thread);
    `https_connection` and `cookie_headers` may be called from any number of threads.

    Only what cannot hurt is retried: after an expired login any call, once (the server refused
    it), after a lost connection only calls that read. `timeout` (seconds) holds for every call,
    from connecting to the end of its answer, and `reading` for all calls together;
    `keep_alive_seconds` must be well below vCenter's idle limit of 30 minutes. `on_answer` hears
    how many seconds each answer took.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout: float = 60.0,
        keep_alive_seconds: float = 300.0,
        reading: Budget | None = None,
        logins: Logins | None = None,
        on_answer: Callable[[float], None] | None = None,
    ) -> None:
        self._decides = logins
        self._on_answer = on_answer
        self.endpoint = endpoint
        self.timeout = timeout
        self._reading = reading
        self._keep_alive_seconds = keep_alive_seconds
        self._stub: Stub | None = None
        self._content: Content | None = None
        self._about: About | None = None
        self._login_lock = threading.Lock()
        self._logins = 0
        self._cookie = ""
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"Session({self.endpoint!r})"

    def __enter__(self) -> Session:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Connect, check who answers, log in.

        Raises AddressUnknown, ConnectionRefused, ConnectionLost, CertificateNotTrusted,
        CertificateChanged, NotVSphere, OtherEstate (all before the password is sent) and
        LoginRefused.
        """
        place = f"{self.endpoint.host}:{self.endpoint.port}"
        version = negotiate_version(self.endpoint, self.timeout, self._reading)
        self._stub = Stub(
            self.endpoint, version, self.timeout, self._reading, on_answer=self._on_answer
        )
        self._content = _content(self._stub, self.endpoint)
        self._about = about_of(self._content.about)
        self._check_estate(self._about)
        self._closing.clear()
        self._login(self._logins)
        self._keeper = threading.Thread(
            target=copy_context().run,
            args=(self._keep_alive,),
            name=f"vsphere keep-alive {place}",
            daemon=True,
        )
        self._keeper.start()

    def close(self) -> None:
        """Log out and close the connections, even if the server is unreachable."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join(timeout=_CLOSING_SECONDS)
            self._keeper = None
        if self._stub is None:
            return
        try:
            if self._cookie:
                self._stub.reading = None  # what it had may be spent
                with translating("Logging out"), self._stub.patience(_CLOSING_SECONDS):
                    self.content.sessionManager.Logout()
        except VSphereError as error:
            # The server ends an abandoned session after its idle time.
            logger.info("No logout from %r: %s", self.endpoint.host, error)
        finally:
            self._cookie = ""
            self._stub.forget_session()
            self._stub.drop_connections()

    @property
    def about(self) -> About:
        """Who answered at `connect`."""
        if self._about is None:
            raise ConnectionLost("The session is not connected.")
        return self._about

    # -------------------------------------------------------------- for copy threads

    def https_connection(self, timeout: float | None = None) -> http.client.HTTPSConnection:
        """A new connection to the same server, under the same trust.

        `timeout` (seconds) is for each request, all of it; without one it is RANGE_SECONDS, and
        the session's own for each socket operation.
        """
        return VSphereConnection(
            self.endpoint, timeout or self.timeout, request_seconds=timeout or RANGE_SECONDS
        )

    def server_certificate(self) -> bytes:
        """What the server presents, in DER, on a connection of its own, under the same trust."""
        connection = VSphereConnection(self.endpoint, self.timeout, request_seconds=self.timeout)
        with translating(f"Connecting to {self.endpoint.host}"):
            try:
                connection.connect()
                return connection.presented_der()
            finally:
                connection.close()

    def cookie_headers(self) -> dict[str, str]:
        """The header by which the server knows this login; a secret. Ask again after a 401."""
        cookie = self._cookie
        return {"Cookie": cookie} if cookie else {}

    def renew(self) -> None:
        """Make sure that the login is valid now; log in again when it is not."""
        seen = self._logins
        try:
            self._touch()
        except SessionExpired:
            self._login(seen)

    # -------------------------------------------------------------- for this package

    @property
    def content(self) -> Content:
        """What the server offers."""
        if self._content is None:
            raise ConnectionLost("The session is not connected.")
        return self._content

    @property
    def login_number(self) -> int:
        """Which login this is; it grows when the session had to log in again."""
        return self._logins

    def object(self, kind: Any, moref: str) -> Any:
        """pyVmomi's proxy for a managed object; nothing is asked of the server."""
        return kind(moref, self._stub)

    def invoke(
        self,
        doing: str,
        call: Callable[[], T],
        *,
        repeat: bool = True,
        login: int | None = None,
        timeout: float | None = None,
        reading: Bounds | None = None,
        activity: Activity = Activity.READING,
    ) -> T:
        """Make a call, with vmrep's errors. Their messages begin with `doing`.

        `repeat`: the call only reads, so it is made once more after a lost connection, and after a
        fault that may have passed by then. A call that changes something is made exactly once, on a
        fresh connection (a resting one may be dead, and then nobody could say whether the server
        got it).
        After an expired login every call is made once more, except those that depend on what died
        with it (page tokens, views, collectors): they give the `login_number` that it belongs to,
        and get SessionExpired. Otherwise vSphere would say that some object does not exist.

        `reading` bounds all calls to the server that `call` makes, however often it is repeated.
        `activity` is what faults are judged by.
        """
        if self._stub is None:
            raise ConnectionLost(f"{doing}: the session is not connected.")
        if not repeat:
            self._stub.drop_connections()
        relogin = login is None
        with self._stub.patience(timeout), self._stub.one_reading(reading):
            while True:
                seen = self._logins
                try:
                    with translating(doing, activity):
                        return call()
                except SessionExpired:
                    if not relogin:
                        raise
                    relogin = False
                    self._login(seen)
                except ConnectionLost:
                    if not repeat:
                        raise
                    repeat = False
                    self._stub.drop_connections()
                except VSphereError as error:
                    if login not in (None, self._logins):
                        raise SessionExpired(f"{doing}: the login was renewed.") from error
                    if not (repeat and isinstance(error, VSphereFault) and error.transient):
                        raise
                    repeat = False
                    self._closing.wait(_PAUSE_SECONDS)

    # -------------------------------------------------------------- login

    def _check_estate(self, about: About) -> None:
        vcenter, host = self.endpoint.instance_uuid, self.endpoint.host_uuid
        found = about.instance_uuid
        is_expected = found == vcenter if found else host is not None
        if is_expected or (vcenter is None and host is None):
            return
        if self._decides is not None and found:
            self._decides.met_another(found)
        expected = vcenter or host or ""
        now = f"another vCenter ({found})" if found else "an ESXi host on its own"
        known = "the vCenter" if vcenter else "the ESXi host"
        raise OtherEstate(
            f"{self.endpoint.host} now leads to {now}, not {known} that was added with this address"
            f" ({expected}). Check the address. {what_next(found, vcenter)} No password was sent.",
            expected=expected,
            presented=found,
        )

    def _login(self, seen: int) -> None:
        """Log in, unless another thread did since the caller looked (`seen` logins)."""
        stub = self._stub
        if stub is None or self._closing.is_set():
            raise ConnectionLost("The session is closed.")
        with self._login_lock:
            if self._logins != seen:
                return
            if seen:
                logger.warning("The login at %r expired; logging in again.", self.endpoint.host)
            stub.forget_session()
            if seen:
                # An expired login is also how a rebuilt vCenter at the address shows itself.
                self._look_again()
            self._decided_login()
            self._cookie = stub.cookie
            self._logins += 1

    def _look_again(self) -> None:
        doing = f"Connecting to {self.endpoint.host}:{self.endpoint.port}"
        with translating(doing, Activity.CONNECTING):
            instance = vim.ServiceInstance("ServiceInstance", self._stub)
            about = about_of(instance.RetrieveContent().about)
        self._check_estate(about)
        if about.instance_uuid != self.about.instance_uuid:
            raise OtherEstate(
                f"{self.endpoint.host} is now another vCenter ({about.instance_uuid}) than the one "
                f"that this session began with ({self.about.instance_uuid}).",
                expected=self.about.instance_uuid or "",
                presented=about.instance_uuid,
            )

    def _decided_login(self) -> None:
        if self._decides is None:
            self._log_in()
            return
        self._decides.begin()
        problem: VSphereError | None = None
        try:
            self._log_in()
        except VSphereError as error:
            problem = error
            raise
        finally:
            self._decides.end(problem)

    def _log_in(self) -> None:
        doing = f"Logging in to {self.endpoint.host} as {self.endpoint.username}"
        with translating(doing, Activity.LOGGING_IN):
            self.content.sessionManager.Login(self.endpoint.username, self.endpoint.password, None)

    def current_time(self) -> datetime:
        """The server's clock. Events bear its time; snapshots bear their host's."""
        instance = vim.ServiceInstance("ServiceInstance", self._stub)
        doing = f"Asking {self.endpoint.host} for the time"
        at: datetime = self.invoke(doing, instance.CurrentTime)
        return at.astimezone(UTC)

    def _touch(self) -> None:
        """A call that needs a valid login and reads nearly nothing."""
        try:
            self.invoke(
                f"Keeping the session with {self.endpoint.host} alive",
                lambda: self.content.rootFolder.name,
                login=self._logins,
            )
        except PrivilegeMissing:
            # The account may not see the root folder, but vSphere knows it, so the login is valid.
            return

    def _keep_alive(self) -> None:
        while not self._closing.wait(self._keep_alive_seconds):
            try:
                self.renew()
            except VSphereError as error:
                # The next call of the job meets the same trouble, and reports it.
                logger.warning("Keep-alive at %r: %s", self.endpoint.host, error)
