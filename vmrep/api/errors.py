"""One shape for every error (`vmrep.problems`): `code` and `message`, with `errors` by field, and
further values that a program needs (the running job's ID, the candidates of an ambiguous name, …).

Which expected failure is which HTTP status is data, here. An unexpected one stays a 500.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DatabaseError, DataError, IntegrityError
from rest_framework import exceptions, status, views
from rest_framework.response import Response
from rest_framework.settings import api_settings

from contexts import errors as context_errors
from contexts.database_errors import is_race, lock_timed_out, own_words, refused_value
from contexts.error_codes import code_of
from contexts.error_fields import field_of
from contexts.errors import ContextError
from contexts.vsphere import errors as vsphere_errors
from contexts.vsphere.errors import VSphereError
from replication import errors as replication_errors
from replication.engine import errors as engine_errors
from replication.engine.errors import EngineError
from vmrep.access import Forbidden, NotFound
from vmrep.notifications.errors import ChannelRefused
from vmrep.problems import MEDIA_TYPE
from vmrep.problems import problem as details
from vmrep.web.saved_views import ViewRefused, ViewTaken

log = logging.getLogger(__name__)

# Other refusals are conflicts with the present state: 409.
CONTEXT_STATUS: dict[type[ContextError], int] = {
    context_errors.UnknownVM: status.HTTP_404_NOT_FOUND,
    context_errors.UnknownVCenter: status.HTTP_404_NOT_FOUND,
    context_errors.VCenterChanged: status.HTTP_400_BAD_REQUEST,
    context_errors.ServersBusy: status.HTTP_503_SERVICE_UNAVAILABLE,
    replication_errors.UnknownJob: status.HTTP_404_NOT_FOUND,
    replication_errors.NeverVerified: status.HTTP_404_NOT_FOUND,
    replication_errors.NameNotConfirmed: status.HTTP_400_BAD_REQUEST,
    replication_errors.RepositoryRefused: status.HTTP_400_BAD_REQUEST,
    replication_errors.BulkRefused: status.HTTP_400_BAD_REQUEST,
    ChannelRefused: status.HTTP_400_BAD_REQUEST,
    replication_errors.PolicyRefused: status.HTTP_400_BAD_REQUEST,
    replication_errors.ScopeRefused: status.HTTP_400_BAD_REQUEST,
    ViewTaken: status.HTTP_409_CONFLICT,
    ViewRefused: status.HTTP_400_BAD_REQUEST,
}

# Other errors are problems of the vCenter: 502.
VSPHERE_STATUS: dict[type[VSphereError], int] = {
    vsphere_errors.AddressUnknown: status.HTTP_400_BAD_REQUEST,
    vsphere_errors.AddressNotAllowed: status.HTTP_400_BAD_REQUEST,
    vsphere_errors.CertificateNotTrusted: status.HTTP_400_BAD_REQUEST,
    vsphere_errors.CertificateChanged: status.HTTP_400_BAD_REQUEST,
    vsphere_errors.LoginRefused: status.HTTP_400_BAD_REQUEST,
    vsphere_errors.PrivilegeMissing: status.HTTP_400_BAD_REQUEST,
    vsphere_errors.OtherEstate: status.HTTP_409_CONFLICT,
}

# What such an error knows in addition to its message.
VSPHERE_DETAILS = ("fingerprint_sha256", "expected", "presented", "privilege", "fault")

ENGINE_STATUS: dict[type[EngineError], int] = {
    engine_errors.RepositoryUnavailable: status.HTTP_503_SERVICE_UNAVAILABLE,
    engine_errors.RepositoryFull: status.HTTP_507_INSUFFICIENT_STORAGE,
}


def exception_handler(problem: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an exception of a view; None (a 500, logged) for an unexpected one."""
    if isinstance(problem, DjangoValidationError):
        problem = exceptions.ValidationError(_as_dict(problem))
    answer = _expected(problem)
    if answer is not None:
        views.set_rollback()
    else:
        answer = views.exception_handler(problem, context)  # DRF's own, and 403 and 404 of Django
        if answer is None:
            return None
        answer.data = _body_of(answer.data, problem, answer.status_code)
    answer.data = details(answer.status_code, **answer.data)
    answer.content_type = MEDIA_TYPE
    return answer


def _expected(problem: Exception) -> Response | None:
    if isinstance(problem, NotFound):
        body = {"code": problem.code, "message": str(problem)}
        return Response(body, status=status.HTTP_404_NOT_FOUND)
    if isinstance(problem, Forbidden):
        body = {"code": problem.code, "message": str(problem)}
        return Response(body, status=status.HTTP_403_FORBIDDEN)
    if isinstance(problem, ContextError):
        http_status = _first_of(problem, CONTEXT_STATUS, status.HTTP_409_CONFLICT)
        body = {"code": problem.code, "message": str(problem), **problem.details}
        return Response(_blaming(problem, body), status=http_status)
    if isinstance(problem, VSphereError):
        return _of_vsphere(problem)
    if isinstance(problem, EngineError):
        http_status = _first_of(problem, ENGINE_STATUS, status.HTTP_502_BAD_GATEWAY)
        return Response({"code": code_of(problem), "message": str(problem)}, status=http_status)
    if isinstance(problem, DatabaseError):
        return _of_database(problem)
    return None


def _of_database(problem: DatabaseError) -> Response | None:
    """A race can be retried; a value that the database never accepts is the sender's mistake."""
    if is_race(problem):
        log.warning("the database refused a change: %s", own_words(problem))
        message = "Another process changed this at the same moment. Reload and try again."
        if lock_timed_out(problem):
            message = "Another process is using this. Nothing was changed; try again later."
        return Response({"code": "conflict", "message": message}, status=status.HTTP_409_CONFLICT)
    if not isinstance(problem, IntegrityError | DataError):
        return None
    log.error("the database refused a value", exc_info=problem)
    refused = refused_value(problem)
    body: dict[str, Any] = {"code": "value_refused", "message": f"Nothing was changed. {refused}"}
    if refused.column:
        body["errors"] = {refused.column: [refused.words]}
    return Response(body, status=status.HTTP_400_BAD_REQUEST)


def _of_vsphere(problem: VSphereError) -> Response:
    http_status = _first_of(problem, VSPHERE_STATUS, status.HTTP_502_BAD_GATEWAY)
    known = {name: getattr(problem, name, None) for name in VSPHERE_DETAILS}
    body = {"code": code_of(problem), "message": str(problem)}
    body |= {name: value for name, value in known.items() if value is not None}
    return Response(_blaming(problem, body), status=http_status)


def _blaming(problem: VSphereError | ContextError, body: dict[str, Any]) -> dict[str, Any]:
    field = field_of(problem)
    return body | {"errors": {field: [str(problem)]}} if field else body


def _first_of(problem: Exception, table: dict[type[Any], Any], otherwise: Any) -> Any:
    """The entry of the most specific class."""
    return next((table[kind] for kind in type(problem).__mro__ if kind in table), otherwise)


def _as_dict(problem: DjangoValidationError) -> dict[str, list[str]]:
    """A model's or form's errors, by field."""
    if not hasattr(problem, "error_dict"):
        return {api_settings.NON_FIELD_ERRORS_KEY: problem.messages}
    return {
        api_settings.NON_FIELD_ERRORS_KEY if field == NON_FIELD_ERRORS else field: messages
        for field, messages in problem.message_dict.items()
    }


def _body_of(data: Any, problem: Exception, http_status: int) -> dict[str, Any]:
    """Convert DRF's several shapes to the one."""
    if isinstance(problem, exceptions.ValidationError):
        errors: dict[str, list[str]] = {}
        for field, message in _flat(data, ""):
            errors.setdefault(field, []).append(message)
        general = errors.pop("", [])
        first = [f"{field}: {messages[0]}" for field, messages in errors.items()]
        body: dict[str, Any] = {"code": "invalid", "message": " ".join([*general, *first])}
        return body | ({"errors": errors} if errors else {})
    detail = data.get("detail", "") if isinstance(data, dict) else ""
    code = getattr(detail, "code", None) or f"http_{http_status}"
    return {"code": str(code), "message": str(detail)}


def _flat(data: Any, path: str) -> Iterator[tuple[str, str]]:
    """(field, message) of nested errors; a list's element is `field.<index>`."""
    if isinstance(data, dict):
        for name, inner in data.items():
            general = name == api_settings.NON_FIELD_ERRORS_KEY
            inner_path = path if general else f"{path}.{name}" if path else str(name)
            yield from _flat(inner, inner_path)
    elif isinstance(data, list):
        for inner in data:
            yield from _flat(inner, path)
    else:
        yield path, str(data)
