"""What programs are told when something is refused: problem details, as RFC 9457 has them."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse

from vmrep.request_id import request_id

MEDIA_TYPE = "application/problem+json"
ANCHOR = "/docs/api/#code-"
"""Where the documentation has a code."""


def problem(status: int, code: str, message: str, **more: Any) -> dict[str, Any]:
    """The body of a refusal. `code` is stable and for programs, `message` for people; `more` is
    what a program needs besides (`errors` by field, the running job's ID, …)."""
    return {
        "type": f"{ANCHOR}{code}",
        "title": title(code),
        "status": status,
        "detail": message,
        "code": code,
        "message": message,
        "request_id": request_id.get() or None,
        **more,
    }


def title(code: str) -> str:
    """A code in words, the same for each problem of its kind."""
    return code.replace("_", " ").capitalize()


def problem_response(status: int, code: str, message: str) -> JsonResponse:
    """For what answers before or after the API's views."""
    return JsonResponse(problem(status, code, message), status=status, content_type=MEDIA_TYPE)
