"""Nothing is shown to anybody who is not logged in."""

from __future__ import annotations

from django.contrib.auth import middleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django_htmx.http import HttpResponseClientRedirect


class LoginRequiredMiddleware(middleware.LoginRequiredMiddleware):
    """Django's, and for a part of a page: the whole page goes to the login, not the part."""

    def handle_no_permission(self, request: HttpRequest, view_func: object) -> HttpResponse:
        answer = super().handle_no_permission(request, view_func)
        if not request.htmx:
            return answer
        # The address that the user sees, not the one that was polled, is where the login leads.
        page = request.htmx.current_url_abs_path or "/"
        login = self.get_login_url(view_func)
        return HttpResponseClientRedirect(redirect_to_login(page, str(login)).url)
