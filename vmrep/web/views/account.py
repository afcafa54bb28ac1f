"""A user's own account."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_http_methods, require_POST

from vmrep import access
from vmrep.access import Verb
from vmrep.accounts import tokens as services
from vmrep.accounts.models import Token, TokenOrigin
from vmrep.accounts.tokens import Made, TokenRefused
from vmrep.client_address import client_address
from vmrep.web.account_forms import TokenForm


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The user's own tokens. The answer that makes one shows its key, and no other ever does."""
    verb = Verb.ADD if request.method == "POST" else Verb.VIEW
    access.require(request.user, verb, Token)
    form = TokenForm(request.POST or None)
    made = _made(request, form) if form.is_valid() else None
    mine = access.own_tokens(request.user).filter(services.usable())
    content = {"tokens": mine, "made": made, "form": TokenForm() if made else form}
    response = render(request, "account/tokens.html", content)
    patch_cache_control(response, no_store=True)
    return response


def _made(request: HttpRequest, form: TokenForm) -> Made | None:
    user: Any = request.user
    try:
        return services.make(
            user, **form.values(), origin=TokenOrigin.PAGE, address=client_address(request)
        )
    except TokenRefused as problem:
        form.add_error(None, str(problem))
        return None


@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    token = access.own_token(request.user, token_id, Verb.REMOVE)
    services.revoke(access.own_tokens(request.user).filter(pk=token.pk))
    messages.success(
        request, f"The token {token.name} was revoked: no program can use it any more."
    )
    return redirect("tokens")
