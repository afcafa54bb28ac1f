"""`Idempotency-Key`: a program that got no answer sends its request again, and it is done once."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar, cast

from django.db import transaction
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from contexts import trail
from contexts.clock import database_now
from vmrep import access
from vmrep.api.models import LONGEST_KEY, KeyedRequest

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
_OF_REQUEST = 40
"""Of a row's digest: so much says what was asked for; the rest, what the user might do then."""
_VISIBLE = re.compile(r"[!-~]+")
Method = TypeVar("Method", bound=Callable[..., Any])


class KeyReused(APIException):
    """The `Idempotency-Key` belongs to another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"
    default_detail = (
        "You have sent another request with this Idempotency-Key within the last 24 hours. Nothing"
        " was done. Use a new key for each new request."
    )


def idempotent(method: Method) -> Method:
    """For a POST whose whole effect is one transaction: with the same key it is done once within
    24 hours, and its first answer repeated, as long as its user may do and see what was so then.
    What was refused can be sent again with its key."""

    @functools.wraps(method)
    def once(view: Any, request: Request, *given: Any, **named: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return method(view, request, *given, **named)
        if len(key) > LONGEST_KEY or not _VISIBLE.fullmatch(key):
            raise ValidationError(
                {HEADER: f"It has 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID."}
            )
        with transaction.atomic(), trail.gathered():
            row, is_new = _begin(request, key)
            if not is_new:
                return _again(row, request)
            response = method(view, request, *given, **named)
            row.status = response.status_code
            row.body = JSONRenderer().render(response.data).decode()
            row.location = response.headers.get("Location", "")
            row.save(update_fields=["status", "body", "location"])
            return response

    once.is_idempotent = True  # type: ignore[attr-defined]
    return cast(Method, once)


def _begin(request: Request, key: str) -> tuple[KeyedRequest, bool]:
    """Waits, by the unique key, for the end of a same request that another thread answers."""
    user: Any = request.user  # who has logged in
    mine = access.keyed_requests(user)
    mine.filter(created_at__lt=database_now() - KEPT).delete()
    return mine.get_or_create(user=user, key=key, defaults={"request_digest": _digest(request)})


def _again(row: KeyedRequest, request: Request) -> Response:
    digest = _digest(request)
    if row.request_digest[:_OF_REQUEST] != digest[:_OF_REQUEST]:
        raise KeyReused
    if row.request_digest != digest:
        raise access.Forbidden(
            "What you or your token may do has changed since this request was answered, so the"
            " answer is not repeated. If it is still wanted, send it with a new Idempotency-Key."
        )
    headers = {"Idempotency-Replayed": "true"}
    if row.location:
        headers["Location"] = row.location
    return Response(json.loads(row.body), status=row.status, headers=headers)


def _digest(request: Request) -> str:
    """Of what is asked for (the same body may be written in several ways), and of what its user may
    do."""
    asked = _hashed([request.method, request.path, request.data])
    return asked[:_OF_REQUEST] + _hashed(access.standing(request.user))[_OF_REQUEST:]


def _hashed(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
