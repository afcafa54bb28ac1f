"""The way in by a provider of identities: to it, and back."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from mozilla_django_oidc.views import (
    OIDCAuthenticationCallbackView,
    OIDCAuthenticationRequestView,
)

from contexts.errors import ContextError
from vmrep.accounts import oidc, provider
from vmrep.accounts.sessions import PASSWORD_AT
from vmrep.web import live

ON_THE_WAY_SECONDS = 600
"""Who has gone to the provider may come back for so long."""
MOST_ON_THE_WAY = 5
"""Logins that one browser has begun at once; older ones are forgotten."""
_COOKIE = "vmrep_provider"
_STATES, _NEXT = "oidc_states", "oidc_login_next"
"""Where the library keeps them in the session."""
REFUSED = (
    "You could not be logged in by the provider. The server's log says why; an admin of vmrep can"
    " read it."
)


@method_decorator(login_not_required, name="dispatch")
class ToProvider(OIDCAuthenticationRequestView):
    """`again` in the address: the provider is to ask for the password, whoever it knows.

    What the library keeps in the session until the browser comes back, the browser takes along in a
    signed cookie: a stranger's visit leaves nothing in the database."""

    def __init__(self, **given: Any) -> None:
        """Asks the provider for its address later, in `get`."""
        super(OIDCAuthenticationRequestView, self).__init__(**given)
        self.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_ID

    def get(self, request: HttpRequest) -> HttpResponse:
        _require_one()
        try:
            self.OIDC_OP_AUTH_ENDPOINT = provider.known().authorization
        except ContextError as problem:
            messages.error(request, str(problem))
            return redirect("login")
        answer: HttpResponse = super().get(request)
        del request.session[_NEXT]
        begun = request.session.pop(_STATES)
        wanted = live.way_back_of(request, request.GET.get("next", ""), "/")
        mine = {state: it | {"next": wanted} for state, it in begun.items()}
        _take_along(answer, _on_the_way(request) | mine)
        return answer

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        return {"prompt": "login", "max_age": "0"} if "again" in request.GET else {}


@method_decorator(login_not_required, name="dispatch")
class FromProvider(OIDCAuthenticationCallbackView):
    def get(self, request: HttpRequest) -> HttpResponse:
        """Whoever comes with an error is logged out only if this browser asked for that login, and
        not after a stranger's link."""
        _require_one()
        begun = _on_the_way(request)
        mine = begun.pop(request.GET.get("state", ""), None)
        if "error" in request.GET or (not begun and mine is None):
            if mine is not None and request.user.is_authenticated:
                auth.logout(request)
            answer = self.login_failure()
        elif mine is None:
            raise SuspiciousOperation("The provider's answer is to a login that nobody began here.")
        else:
            answer = self._come_in(request, mine)
        _take_along(answer, begun)
        return answer

    def _come_in(self, request: HttpRequest, begun: dict[str, Any]) -> HttpResponse:
        """The library expects in the session what the browser took along. Of somebody whom the
        provider does not let in, nothing of it stays."""
        is_stranger = not request.user.is_authenticated
        request.session[_NEXT] = begun.pop("next")
        request.session[_STATES] = {request.GET["state"]: begun}
        try:
            answer: HttpResponse = super().get(request)
        finally:
            if is_stranger and not request.user.is_authenticated:
                request.session.flush()
        return answer

    def login_success(self) -> HttpResponse:
        """A session as any other, but shorter. For somebody who is logged in already (it was asked
        for again), it goes on."""
        asked_at = getattr(self.user, "provider_asked_at", None)
        answer: HttpResponse = super().login_success()
        self.request.session.pop(_STATES, None)
        self.request.session[PASSWORD_AT] = asked_at
        self.request.session.set_expiry(settings.OIDC_SESSION_SECONDS)
        return answer

    def login_failure(self) -> HttpResponse:
        messages.error(self.request, REFUSED)
        return redirect("login")


def _on_the_way(request: HttpRequest) -> dict[str, Any]:
    """By state: the logins that this browser has begun, lately, and where each of them leads."""
    kept = request.get_signed_cookie(_COOKIE, "", salt=_COOKIE, max_age=ON_THE_WAY_SECONDS)
    begun: dict[str, Any] = json.loads(kept or "{}")
    return begun


def _take_along(answer: HttpResponse, begun: dict[str, Any]) -> None:
    newest = sorted(begun.items(), key=lambda item: item[1]["added_on"])[-MOST_ON_THE_WAY:]
    answer.set_signed_cookie(
        *(_COOKIE, json.dumps(dict(newest))),
        salt=_COOKIE,
        max_age=ON_THE_WAY_SECONDS,
        path=reverse("oidc"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _require_one() -> None:
    if not oidc.Backend.is_in_use():
        raise Http404("This installation has no provider of identities.")
