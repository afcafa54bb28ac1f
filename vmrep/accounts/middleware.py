"""Who acts, and by what; and that somebody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import middleware
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from vmrep.accounts import means, sessions


class AuthenticationMiddleware(middleware.AuthenticationMiddleware):
    """Django's, with a user who knows by what session the request was made."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        user: Any = request.user

        def with_means() -> Any:
            if user.is_authenticated:
                user.means = means.of_session(request)
            return user

        request.user = SimpleLazyObject(with_means)  # type: ignore[assignment]


class SessionUseMiddleware:
    """Notes that a session is used, by what was asked for by hand."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "X-Vmrep-Version" not in request.headers:  # which only polls send
            sessions.note_use(request)
        return response
