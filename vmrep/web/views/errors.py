"""What is answered when something went wrong that nobody expected; Django logs the reason."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

API = "/api/"


def server_error(request: HttpRequest) -> HttpResponse:
    """Programs are answered in JSON, people with a page."""
    if not request.path.startswith(API):
        return defaults.server_error(request)
    message = "vmrep could not answer. The reason is in the web server's log."
    return JsonResponse({"code": "internal_error", "message": message}, status=500)
