"""vmrep's addresses, and some that answer what no page of it answers at will."""

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.urls import path

from vmrep.urls import handler500
from vmrep.urls import urlpatterns as real

__all__ = ["handler500"]

PROBLEMS = {
    403: PermissionDenied("not for you"),
    409: IntegrityError("another process was first"),
    500: ZeroDivisionError("nobody expected this"),
}


def answer(request: HttpRequest, status: int) -> HttpResponse:
    raise PROBLEMS[status]


urlpatterns = [*real, path("broken/<int:status>/", answer)]
