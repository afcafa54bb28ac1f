"""What is answered when something went wrong that nobody expected; Django logs the reason."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from vmrep.incoming import API, Refusal, refuse


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses as no sound request (too many fields, a form that is none, …)."""
    return refuse(request, Refusal(400, "bad_request", "The request makes no sense to vmrep."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Programs are answered in JSON, people with a page."""
    if not request.path.startswith(API):
        return defaults.server_error(request)
    message = "vmrep could not answer. The reason is in the web server's log."
    return JsonResponse({"code": "internal_error", "message": message}, status=500)
