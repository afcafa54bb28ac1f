"""ETags: what a program has read already is not sent again, and what somebody else changed
meanwhile is not overwritten.

A tag has two parts, `"<what can be changed>.<everything>"`. `If-None-Match` compares both.
`If-Match` compares the first, since much of an object changes by itself: counts, times, the
progress of jobs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any, TypeVar, cast

from django.db import transaction
from django.http import HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from contexts import trail
from contexts.services.transactions import EDIT, one_at_a_time

Editable = Collection[str] | Callable[[Mapping[str, Any]], Any]
Method = TypeVar("Method", bound=Callable[..., Any])


class ChangedMeanwhile(APIException):
    """The object is no longer as `If-Match` says: somebody has changed it."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "changed_meanwhile"
    default_detail = (
        "Somebody has changed this since you read it, and nothing was done. Read it again, then"
        " send your change with its new ETag."
    )


def tagged(response: Response, request: Request, editable: Editable) -> None:
    """Gives the answer to a GET its ETag, and leaves the body away if the program has it."""
    part = _part(response.data, editable)

    def tag(rendered: HttpResponse) -> HttpResponse:
        whole = f'"{part}{_digest(rendered.content)}"'
        rendered["ETag"] = whole
        if whole not in parse_etags(request.headers.get("If-None-Match", "")):
            return rendered
        unchanged = HttpResponseNotModified()
        unchanged["ETag"] = whole
        return unchanged

    response.add_post_render_callback(cast(Any, tag))


def if_unchanged(method: Method) -> Method:
    """For a method of a view that changes what its GET shows: obeys `If-Match`. Nobody else edits
    anything between the comparison and the end of the change."""

    @functools.wraps(method)
    def guarded(view: Any, request: Request, *given: Any, **named: Any) -> Response:
        if "If-Match" not in request.headers:
            return method(view, request, *given, **named)
        with transaction.atomic(), trail.gathered():
            one_at_a_time(EDIT)
            require_match(view, request, *given, **named)
            return method(view, request, *given, **named)

    guarded.is_versioned = True  # type: ignore[attr-defined]
    return cast(Method, guarded)


def compares_itself(method: Method) -> Method:
    """As `if_unchanged`, for a method that calls `require_match` itself, within a transaction that
    begins only when it has heard from a vCenter."""
    method.is_versioned = True  # type: ignore[attr-defined]
    return method


def require_match(view: Any, request: Request, *given: Any, **named: Any) -> None:
    """Raises ChangedMeanwhile, or NotFound, unless the object is as `If-Match` says."""
    wanted = parse_etags(request.headers.get("If-Match", "*"))
    part = _part(view.get(request, *given, **named).data, view.editable)
    if "*" not in wanted and not any(each.startswith(f'"{part}') for each in wanted):
        raise ChangedMeanwhile


def _part(data: Any, editable: Editable) -> str:
    """Of what can be changed; empty for an answer that nobody changes by its address."""
    if not editable or not isinstance(data, Mapping):
        return ""
    chosen = editable(data) if callable(editable) else {name: data.get(name) for name in editable}
    plain = json.loads(JSONRenderer().render(chosen))
    return _digest(json.dumps(plain, sort_keys=True).encode()) + "."


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=12).hexdigest()
