"""Incoming requests, for pages, API and admin alike: a body is read completely and within bounds
before anything acts on it, and requests that cannot be valid are refused.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from vmrep.problems import problem_response

API = "/api/"
# No valid body comes near this size; Django's own limit for forms is the same.
LARGEST_BODY = 2_621_440
# A thread of the web server is busy until the body has arrived.
BODY_SECONDS = 30.0
LARGEST_NUMBER = 2**63 - 1  # that a column holds
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
WITHOUT_BODY = ("GET", "HEAD", "OPTIONS", "TRACE")
_REFUSAL = "vmrep.refusal"


class Refusal(NamedTuple):
    """Why a request is refused; `code` is for programs."""

    status: int
    code: str
    message: str


TOO_LARGE = Refusal(413, "too_large", f"A body may have at most {LARGEST_BODY:,} bytes.")
TOO_SLOW = Refusal(408, "too_slow", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.")
CUT_SHORT = Refusal(400, "cut_short", "The body is shorter than its Content-Length says.")
CODED = Refusal(
    415, "unsupported_coding", "vmrep does not read compressed bodies. Send it uncompressed."
)
BAD_LENGTH = Refusal(400, "bad_length", "The Content-Length is not a number of bytes.")


class WholeBodies:
    """Wraps Django's WSGI application. Django treats a body without Content-Length (chunked) as
    empty, and a truncated one as complete, so that parts of a request would be ignored."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        body, refusal = _body(environ)
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if refusal is not None:
            environ[_REFUSAL] = refusal  # IncomingMiddleware answers it as page or JSON
        return self.application(environ, start_response)


def _body(environ: dict[str, Any]) -> tuple[bytes, Refusal | None]:
    """The body, or why there is none. Errors that the web server raises about an incorrectly framed
    body pass through: it answers them itself."""
    declared = environ.get("CONTENT_LENGTH") or None
    if declared is None and "HTTP_TRANSFER_ENCODING" not in environ:
        return b"", None
    if _is_coded(environ):
        return b"", CODED
    if declared is not None and not (declared.isascii() and declared.isdigit()):
        return b"", BAD_LENGTH
    length = LARGEST_BODY + 1
    if declared is not None:
        digits = declared.lstrip("0") or "0"
        # Python refuses to read thousands of digits.
        if len(digits) > len(str(LARGEST_BODY)) or int(digits) > LARGEST_BODY:
            return b"", TOO_LARGE
        length = int(digits)
    with _deadline(environ.get("gunicorn.socket")) as passed:
        body: bytes = environ["wsgi.input"].read(length)
    if passed.is_set():
        return b"", TOO_SLOW
    if len(body) > LARGEST_BODY:
        return b"", TOO_LARGE
    if declared is not None and len(body) < length:
        return b"", CUT_SHORT
    return body, None


def _is_coded(environ: dict[str, Any]) -> bool:
    """Whether the body claims to be encoded. What it means would depend on who reads it: a proxy
    that decodes it, or vmrep."""
    names = ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING")
    codings = ",".join(environ.get(name, "") for name in names).lower().split(",")
    return any(coding.strip() not in ("", "chunked", "identity") for coding in codings)


@contextmanager
def _deadline(connection: socket.socket | None) -> Iterator[threading.Event]:
    """Ends reading after BODY_SECONDS, however slowly bytes arrive; tells whether it did."""
    passed = threading.Event()
    if connection is None:
        yield passed
        return
    sender = connection

    def end() -> None:
        passed.set()
        with suppress(OSError):  # already closed
            sender.shutdown(socket.SHUT_RD)

    timer = threading.Timer(BODY_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield passed
    finally:
        timer.cancel()


class IncomingMiddleware:
    """Refuses invalid requests once for pages, API and admin."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        _forget_what_is_no_address(request)
        refusal = request.META.get(_REFUSAL) or _refusal(request)
        return self.get_response(request) if refusal is None else refuse(request, refusal)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        """A number in the address that fits no column (SQLite says so only when it is queried)."""
        if not (isinstance(problem, OverflowError) and _has_large_number(request)):
            return None
        return refuse(
            request, Refusal(400, "too_large_number", "A number in the address is too large.")
        )


def _refusal(request: HttpRequest) -> Refusal | None:
    if "\0" in request.path_info:
        return Refusal(404, "not_found", "There is nothing at this address.")
    if request.method in WITHOUT_BODY:
        if request.META.get("CONTENT_LENGTH") not in (None, "", "0"):
            return Refusal(400, "unexpected_body", f"A {request.method} request takes no body.")
    elif not request.path_info.startswith(API) and _is_no_form(request):
        return Refusal(415, "unsupported_media_type", "vmrep's pages only accept forms.")
    if _has_nul(request):
        return Refusal(400, "nul", "A parameter, field or cookie has a NUL character.")
    return None


def _forget_what_is_no_address(request: HttpRequest) -> None:
    """The pages that htmx and the browser say they are on; ignored when they are not addresses."""
    for header in ("HTTP_HX_CURRENT_URL", "HTTP_REFERER"):
        try:
            urlsplit(unquote(request.META.get(header, "")))
        except ValueError:
            del request.META[header]
            vars(request).pop("headers", None)  # Django keeps them once they were read


def _is_no_form(request: HttpRequest) -> bool:
    has_body = request.META.get("CONTENT_LENGTH") not in (None, "", "0")
    return has_body and request.content_type not in FORMS


def _has_nul(request: HttpRequest) -> bool:
    """None of vmrep's texts has one, and PostgreSQL cannot even search for it."""
    given = [request.GET] if request.path_info.startswith(API) else [request.GET, request.POST]
    return any("\0" in f"{name}{value}" for name, value in request.COOKIES.items()) or any(
        "\0" in name or any("\0" in value for value in values)
        for query in given
        for name, values in query.lists()
    )


def _has_large_number(request: HttpRequest) -> bool:
    given = [
        value for query in (request.GET, request.POST) for _, it in query.lists() for value in it
    ]
    return any(
        part.isdecimal() and (len(part) > 19 or int(part) > LARGEST_NUMBER)
        for text in (*given, request.path_info)
        for part in text.replace(",", "/").replace("-", "/").split("/")
    )


def refuse(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Answers programs in JSON and people with a page."""
    if request.path_info.startswith(API):
        return problem_response(*refusal)
    return render(request, "refused.html", {"refusal": refusal}, status=refusal.status)
