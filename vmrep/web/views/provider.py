"""The way in by a provider of identities: to it, and back."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
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
"""For so long a stranger's session is kept, who has gone to the provider and may come back."""
REFUSED = (
    "You could not be logged in by the provider. The server's log says why; an admin of vmrep can"
    " read it."
)


@method_decorator(login_not_required, name="dispatch")
class ToProvider(OIDCAuthenticationRequestView):
    """`again` in the address: the provider is to ask for the password, whoever it knows."""

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
        wanted = live.way_back_of(request, request.GET.get("next", ""), "/")
        request.session["oidc_login_next"] = wanted
        if not request.user.is_authenticated:
            request.session.set_expiry(ON_THE_WAY_SECONDS)
        return answer

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        return {"prompt": "login", "max_age": "0"} if "again" in request.GET else {}


@method_decorator(login_not_required, name="dispatch")
class FromProvider(OIDCAuthenticationCallbackView):
    def get(self, request: HttpRequest) -> HttpResponse:
        """The library logs out whoever comes with an error: here only who asked for that login, and
        not who follows a stranger's link."""
        _require_one()
        was_asked = request.GET.get("state") in request.session.get("oidc_states", {})
        if "error" in request.GET and not was_asked:
            return self.login_failure()
        answer: HttpResponse = super().get(request)
        return answer

    def login_success(self) -> HttpResponse:
        """A session as any other, but shorter. For somebody who is logged in already (it was asked
        for again), it goes on."""
        asked_at = getattr(self.user, "provider_asked_at", None)
        answer: HttpResponse = super().login_success()
        self.request.session[PASSWORD_AT] = asked_at
        self.request.session.set_expiry(settings.OIDC_SESSION_SECONDS)
        return answer

    def login_failure(self) -> HttpResponse:
        messages.error(self.request, REFUSED)
        return redirect("login")


def _require_one() -> None:
    if not oidc.Backend.is_in_use():
        raise Http404("This installation has no provider of identities.")
