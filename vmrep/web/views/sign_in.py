"""The way in: for users, and for the first of them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from vmrep.accounts import first_user
from vmrep.accounts.backends import BY_PASSWORD
from vmrep.web.account_forms import FirstUserForm
from vmrep.web.forms import LoginForm


class Login(LoginView):
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        return super().get_context_data(
            nobody_yet=first_user.is_missing(),
            provider=settings.OIDC_NAME if settings.OIDC_ISSUER else "",
            **more,
        )


@login_not_required
@require_safe
def of_admin(request: HttpRequest) -> HttpResponse:
    """Django's admin has no login of its own: there is one way in."""
    if request.user.is_authenticated:
        raise PermissionDenied("Your account may not use the administration.")
    wanted = urlencode({"next": request.GET.get("next", "/admin/")})
    return redirect(f"/login/?{wanted}")


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """Makes the first user, an admin, for whoever shows the set-up code; gone when there is one."""
    if not first_user.is_missing():
        raise Http404("vmrep is set up already.")
    form = FirstUserForm(request.POST or None)
    if form.is_valid() and (made := _made(form)):
        login(request, made, backend=BY_PASSWORD)
        messages.success(request, f"You are {made.get_username()}, an admin of vmrep.")
        return redirect("virtual-machines")
    return render(request, "account/set_up.html", {"form": form})


def _made(form: FirstUserForm) -> Any:
    """None, with what is wrong in the form, if it cannot be made."""
    try:
        return first_user.make(form.cleaned_data["username"], form.cleaned_data["password1"])
    except first_user.SetUpClosed as problem:
        form.add_error(None, str(problem))
    except ValidationError as problem:
        if hasattr(problem, "error_dict"):
            form.add_error("username", problem.messages)
        else:
            form.add_error("password1", problem.messages)
    return None
