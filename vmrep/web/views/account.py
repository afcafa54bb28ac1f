"""A user's own account."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from contexts import trail
from contexts.text import plural
from vmrep import access
from vmrep.access import Verb
from vmrep.accounts import sessions
from vmrep.accounts import tokens as services
from vmrep.accounts.models import Session, Token, TokenOrigin
from vmrep.accounts.session_store import digest
from vmrep.accounts.tokens import Made, TokenRefused
from vmrep.client_address import client_address
from vmrep.web import csv_files, csv_settings, live
from vmrep.web.account_forms import ConfirmForm, PasswordChangeForm, TokenForm


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    """Who one is, and where one is signed in."""
    mine = sessions.alive(access.own_sessions(request.user))
    if csv_files.is_wanted(request):
        return csv_files.answer("sessions", csv_files.lines(csv_settings.SESSIONS, mine))
    content = {"sessions": mine, "this": _this_session(request)}
    return render(request, "account/index.html", content)


def _this_session(request: HttpRequest) -> str:
    return digest(request.session.session_key or "")


@require_POST
def end_session(request: HttpRequest, session_key: str) -> HttpResponse:
    session = access.own_session(request.user, session_key, Verb.REMOVE)
    sessions.end(access.own_sessions(request.user).filter(pk=session.pk))
    messages.success(request, "That session was ended.")
    return redirect("account")


@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """All of the user's but this one."""
    access.require(request.user, Verb.REMOVE, Session)
    others = access.own_sessions(request.user).exclude(pk=_this_session(request))
    ended = plural(sessions.end(others), "other session")
    messages.success(request, f"You are logged out everywhere else: {ended} ended.")
    return redirect("account")


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Another password: it ends the user's other sessions, and the tokens if that is wanted."""
    access.require(request.user, Verb.CHANGE, Session)
    user: Any = request.user
    form = PasswordChangeForm(
        user, request.POST or None, is_own=lambda given: _knows_password(request, given)
    )
    if not form.is_valid():
        return render(request, "account/password.html", {"form": form})
    with transaction.atomic(), trail.gathered():
        form.save()
        update_session_auth_hash(request, user)  # this session goes on, under another key
        sessions.note_password(request)
        sessions.end(access.own_sessions(user).exclude(pk=_this_session(request)))
        if form.cleaned_data["revoke_tokens"]:
            services.revoke(access.own_tokens(user))
    messages.success(request, "Your password was changed. You are logged out everywhere else.")
    return redirect("account")


def _knows_password(request: HttpRequest, given: str) -> bool:
    """Wrong ones are counted as those of a login: a session that was left open is no way to try
    passwords."""
    user = request.user
    known: AbstractBaseUser | None = authenticate(
        request, username=user.get_username(), password=given
    )
    return known is not None and known.pk == user.pk


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Asks for the password again, then goes on to `next`."""
    access.require(request.user, Verb.VIEW, Session)
    form = ConfirmForm(request.POST or None)
    if form.is_valid():
        if _knows_password(request, form.cleaned_data["password"]):
            sessions.note_password(request)
            return live.back(request, "/")
        form.add_error("password", "That is not your password.")
    user: Any = request.user
    content = {
        "form": form,
        "next": live.way_back_of(request, request.GET.get("next", ""), "/"),
        "by_provider": settings.OIDC_ISSUER and not user.has_usable_password(),
    }
    return render(request, "account/confirm.html", content)


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponseBase:
    """The user's own tokens. The answer that makes one shows its key, and no other ever does."""
    verb = Verb.ADD if request.method == "POST" else Verb.VIEW
    access.require(request.user, verb, Token)
    if csv_files.is_wanted(request):
        mine = access.own_tokens(request.user).filter(services.usable())
        return csv_files.of_rows("tokens", csv_settings.TOKENS, mine)
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
    except ValidationError as problem:  # of the name: times are chosen
        form.add_error(None, problem)
    return None


@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    token = access.own_token(request.user, token_id, Verb.REMOVE)
    services.revoke(access.own_tokens(request.user).filter(pk=token.pk))
    messages.success(
        request, f"The token {token.name} was revoked: no program can use it any more."
    )
    return redirect("tokens")
