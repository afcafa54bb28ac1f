"""Only users who are logged in see anything; what the database refuses is reported as such; no
text from a vCenter changes the direction of writing."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import middleware
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError, DataError, IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect

from contexts.database_errors import is_race, lock_timed_out, refused_value
from vmrep.access import PasswordNeeded
from vmrep.web.live import htmx

log = logging.getLogger(__name__)

# Characters that embed, override or isolate a direction of writing: with them a VM's name can look
# like another one. In UTF-8.
_TURNING = re.compile(rb"\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")


class LoginRequiredMiddleware(middleware.LoginRequiredMiddleware):
    """Django's, also for a part of a page: then the whole page goes to the login, not the part."""

    def process_view(self, request: HttpRequest, view_func: Any, *given: Any) -> Any:
        # Django's reads the session first, and so the database, even where nobody asks for either.
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, *given)

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> Any:
        answer = super().handle_no_permission(request, view_func)
        if not htmx(request):
            return answer
        # The login leads to the address that the user sees, not to the one that was polled.
        page = htmx(request).current_url_abs_path or "/"
        login = self.get_login_url(view_func)
        return HttpResponseClientRedirect(redirect_to_login(page, str(login)).url)


_CHANGED = (
    "Another process changed this at the same moment, and your change would have contradicted it."
    " Go back, check again, then retry."
)
_HELD = "Another process is using this right now. Go back, then try again in a minute."


class ConflictMiddleware:
    """The last resort of pages and admin, as `vmrep.api.errors` is the API's.

    Forms and services refuse what they can see beforehand. Only the database sees what another
    process changed between their check and the commit: that is a conflict, not a server error. A
    value that the database never accepts is not a conflict: the answer names it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        if not isinstance(problem, DatabaseError):
            return None
        if is_race(problem):
            log.warning("the database refused a change of %s", request.path, exc_info=problem)
            why = _HELD if lock_timed_out(problem) else _CHANGED
            return render(request, "409.html", {"status": 409, "why": why}, status=409)
        if not isinstance(problem, IntegrityError | DataError):
            return None
        log.error("the database refused a value of %s", request.path, exc_info=problem)
        why = f"{refused_value(problem)} Trying again does not help."
        return render(request, "409.html", {"status": 400, "why": why}, status=400)


class PasswordMiddleware:
    """What needs the password anew leads to the page that asks for it, and from there to where the
    user was: a form is not sent again by itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        if not isinstance(problem, PasswordNeeded):
            return None
        if htmx(request):
            page = htmx(request).current_url_abs_path or "/"
        elif request.method in ("GET", "HEAD"):
            page = request.get_full_path()
        else:
            sent_from = urlsplit(request.headers.get("Referer", ""))
            here = sent_from.netloc == request.get_host()
            page = f"{sent_from.path}?{sent_from.query}" if here else "/"
        address = f"{reverse('account-confirm')}?{urlencode({'next': page})}"
        return HttpResponseClientRedirect(address) if htmx(request) else redirect(address)


class VisibleTextMiddleware:
    """Characters that change the direction of writing are shown as escapes (`\\u202e`), on every
    page and in the admin. (Names come from vCenters, and none of vmrep's own texts needs them.)"""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.streaming and response.get("Content-Type", "").startswith("text/html"):
            response.content = _TURNING.sub(_escaped, response.content)
        return response


def _escaped(found: re.Match[bytes]) -> bytes:
    return found[0].decode().encode("unicode_escape")
