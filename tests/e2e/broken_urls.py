"""vmrep's addresses, and some that answer what no page of it answers at will."""

from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from vmrep.urls import handler500
from vmrep.urls import urlpatterns as real

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


urlpatterns = [*real, path("broken/<int:status>/", answer)]
