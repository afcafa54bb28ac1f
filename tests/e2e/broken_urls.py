"""vmrep's addresses, and some that answer what no page of it answers at will."""

from unittest.mock import patch

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from vmrep.accounts import lockout
from vmrep.urls import handler500
from vmrep.urls import urlpatterns as real
from vmrep.web.views.sign_in import Login, set_up

__all__ = ["handler500"]

PROBLEMS = {
    403: PermissionDenied("not for you"),
    500: ZeroDivisionError("nobody expected this"),
}


def answer(request: HttpRequest, status: int) -> HttpResponse:
    if status == 409:
        with transaction.atomic():  # refused by the database itself; nothing of it stays
            Group.objects.bulk_create([Group(name="twice"), Group(name="twice")])
    raise PROBLEMS[status]


@login_not_required
def locked(request: HttpRequest) -> HttpResponse:
    return lockout.answer(request)


@login_not_required
def by_a_provider(request: HttpRequest) -> HttpResponse:
    with override_settings(OIDC_ISSUER="https://id.example.org", OIDC_NAME="Example Inc."):
        return Login.as_view()(request).render()


@login_not_required
def of_nobody_yet(request: HttpRequest, page: str) -> HttpResponse:
    with patch("vmrep.accounts.first_user.is_missing", return_value=True):
        return set_up(request) if page == "set-up" else Login.as_view()(request).render()


urlpatterns = [
    *real,
    path("broken/<int:status>/", answer),
    path("broken/locked/", locked),
    path("broken/provider/", by_a_provider),
    path("broken/nobody-yet/<str:page>/", of_nobody_yet),
]
