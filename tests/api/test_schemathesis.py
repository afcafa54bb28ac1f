"""Requests that schemathesis thinks up from the schema, valid and invalid ones, at the WSGI
application with a real login: nothing fails, nothing invalid is taken, and each answer is as the
schema says.

The fast tier tries one at every twelfth operation, the slow tier many at each. What a case changes
is taken back.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.http import Http404
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from werkzeug.test import Client

from replication.policies import services as policies
from tests import factories, places
from tests.api import conformance
from tests.shared_rows import shared_rows
from vmrep.incoming import WholeBodies

pytestmark = pytest.mark.any_database
PASSWORD = "a-password-for-tests"
MANY = 30
APPLICATION = WholeBodies(get_wsgi_application())  # as vmrep.wsgi has it
BOTH = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
REFUSED = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422]
CONFIG = {
    "checks": {
        "negative_data_rejection": {"expected-statuses": REFUSED},
        # The schema cannot say that one field needs another, or that a name is taken.
        "positive_data_acceptance": {"enabled": False},
    }
}


class Server(NamedTuple):
    headers: dict[str, str]
    keys: dict[str, Any]
    operations: list[Any]


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[Server]:
    """As a chief who has logged in, with a VM and all that is around one."""
    with shared_rows(django_db_blocker), pytest.MonkeyPatch.context() as patch:
        patch.setattr("replication.messages.send", lambda *message: None)
        patch.setattr("contexts.messages.send", lambda *message: None)
        patch.setattr("replication.health.broker.problem", lambda **_: "")
        patch.setattr("vmrep.notifications.services.test", _nobody_is_asked)
        patch.setattr(socket, "getaddrinfo", _nothing_is_resolved)
        cache.clear()
        logging.disable(logging.ERROR)
        # They would end the transaction around each case.
        request_started.disconnect(close_old_connections)
        request_finished.disconnect(close_old_connections)
        yield Server(_logged_in(), _keys(), _operations())
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)
        logging.disable(logging.NOTSET)


def _nobody_is_asked(*_: Any) -> None:
    raise Http404("reached")


def _nothing_is_resolved(*_: Any, **__: Any) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _logged_in() -> dict[str, str]:
    factories.user("chief", PASSWORD)
    body = {"username": "chief", "password": PASSWORD, "scope": "danger"}
    answer = Client(APPLICATION).post("/api/v1/token/", json=body)
    return {"Authorization": f"Token {answer.json['token']}"}


def _keys() -> dict[str, Any]:
    vcenter = factories.vcenter("one")
    repository = factories.repository("shared")
    policy = policies.add("shared", {}, actor="chief")
    keys = places.around_a_vm(
        "web", at=vcenter, folder="/Lab/vm", keep_in=repository, policy=policy
    )
    return keys | places.around_a_vcenter("one", vcenter, policy)


def _operations() -> list[Any]:
    told = json.loads(json.dumps(conformance.schema()))
    loaded = schemathesis.openapi.from_dict(told, config=SchemathesisConfig.from_dict(CONFIG))
    loaded.app = APPLICATION
    return [result.ok() for result in loaded.get_all_operations()]


def _try(server: Server, operation: Any, mode: GenerationMode, examples: int) -> int:
    """How many cases were tried. The valid ones are mostly about what there is."""
    count = 0

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal count
        count += 1
        if mode == GenerationMode.POSITIVE and count % 4:
            given = dict(case.path_parameters or {})
            case.path_parameters = given | {
                name: server.keys[name] for name in given if name in server.keys
            }
        with transaction.atomic():
            answer = case.call(headers=server.headers)
            transaction.set_rollback(True)
        case.validate_response(answer, headers=server.headers)

    try:
        one()
    except Unsatisfiable:  # an operation that takes nothing cannot be asked for anything wrong
        assert mode == GenerationMode.NEGATIVE
    return count


def test_a_case_of_every_twelfth_operation(server: Server, db: None) -> None:
    assert len(server.operations) > 90
    for number, operation in enumerate(server.operations[::12]):
        _try(server, operation, BOTH[number % 2], 1)


@pytest.mark.slow
def test_many_cases_of_every_operation(server: Server, db: None) -> None:
    tried = [_try(server, each, mode, MANY) for each in server.operations for mode in BOTH]
    print(f"{sum(tried)} cases of {len(server.operations)} operations")
    assert sum(tried) > 4000
