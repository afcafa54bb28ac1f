"""One shape for every error, and never a 500 for what can be expected."""

from __future__ import annotations

import json

import pytest

from contexts.error_fields import field_of
from contexts.errors import ContextError, SecretUnreadable
from contexts.vsphere import errors as vsphere_errors
from contexts.vsphere.errors import VSphereError
from replication.engine.errors import EngineError, RepositoryFull, RepositoryUnavailable
from vmrep.api.errors import exception_handler
from vmrep.api.suggestions import closest


def every(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(inner for sub in kind.__subclasses__() for inner in every(sub))]


def made(kind: type[Exception]) -> Exception:
    """An error of this class, with what its own arguments are."""
    problem = kind.__new__(kind)
    Exception.__init__(problem, "What happened. What to do.")
    return problem


@pytest.mark.parametrize("kind", every(VSphereError) + every(EngineError))
def test_every_error_of_vsphere_and_engine_has_an_answer(kind):
    answer = exception_handler(made(kind), {})
    assert 400 <= answer.status_code < 600
    assert answer.status_code != 500
    assert answer.data["message"] == "What happened. What to do."
    assert answer.data["code"] == answer.data["code"].lower()


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (SecretUnreadable("x"), 409, "secret_unreadable"),
        (ContextError("x"), 409, "refused"),
        (RepositoryUnavailable("x"), 503, "repository_unavailable"),
        (RepositoryFull("x"), 507, "repository_full"),
        (vsphere_errors.SessionExpired("x"), 502, "session_expired"),
    ],
)
def test_an_expected_failure_has_its_status(problem, status, code):
    answer = exception_handler(problem, {})
    assert (answer.status_code, answer.data["code"]) == (status, code)


def test_an_unexpected_error_stays_one():
    assert exception_handler(ZeroDivisionError("x"), {}) is None


def test_a_subclass_is_blamed_on_the_same_field():
    assert field_of(vsphere_errors.SessionExpired("x")) == "host"
    assert field_of(ContextError("x")) is None


def test_what_is_not_there_says_where_to_look(api):
    answer = api.get("replication")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert "/api/v1/" in answer.json()["message"]


def test_a_method_that_is_not_offered_is_named(api):
    answer = api.delete("vm-contexts/")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "body", ["{", "[1, 2]", '"text"', "5", "null", "\ufffd", '{"vm_name": NaN}', "[" * 100_000]
)
def test_a_body_that_is_not_a_json_object_is_a_bad_request(api, body):
    answer = api.generic("POST", "replications/", body.encode(), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] in ("parse_error", "invalid")


def test_a_body_that_is_not_json_is_refused(api):
    answer = api.generic("POST", "replications/", b"a=b", "application/x-www-form-urlencoded")
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "value", ["\x00", "\ud800", "x" * 100_000, 5, True, None, [], {}, 10**400, ""]
)
def test_hostile_values_are_a_bad_request(api, value):
    answer = api.generic(
        "POST",
        "replications/",
        json.dumps({"vm_name": value}).encode(),
        content_type="application/json",
    )
    assert answer.status_code == 400
    assert "vm_name" in answer.json()["errors"]


@pytest.mark.parametrize("path", ["vm-contexts/%00/", "replications/%ff%fe/", "vcenters/-1/"])
def test_hostile_addresses_are_not_found(api, path):
    assert api.get(path).status_code == 404


def test_an_id_beyond_every_number_is_not_found(api):
    assert api.get(f"vcenters/{10**30}/").status_code == 404
    assert api.get(f"vcenters/{10**30}/discovery/").status_code == 404


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("vmname", "vm_name"),
        ("vcenterhost", "vcenter_host"),
        ("VM_NAME", "vm_name"),
        ("cpus", "cpu_count"),
        ("memory", "memory_mb"),
        ("zzz", None),
    ],
)
def test_a_close_name_is_suggested(sent, meant):
    known = ["vm_name", "vcenter_host", "vmware_vm_id", "cpu_count", "memory_mb"]
    assert closest(sent, known) == meant


@pytest.mark.parametrize("spec", ["cpus", "cpu_count", "memory"])
def test_a_spec_that_is_sent_is_refused_by_name(api, spec):
    answer = api.post("replications/", {"vm_name": "web-01", spec: 2})
    assert answer.status_code == 400
    (message,) = answer.json()["errors"][spec]
    assert "read from its vCenter" in message


def test_every_unknown_field_is_named_along_with_every_wrong_one(api):
    answer = api.post("replications/", {"vmname": "x", "vcenter_host": 5, "zzz": 1})
    assert set(answer.json()["errors"]) == {"vmname", "vcenter_host", "zzz"}
    assert "'vm_name'" in answer.json()["errors"]["vmname"][0]


def test_the_root_lists_addresses_that_answer(api):
    answer = api.get("")
    assert answer.status_code == 200
    for name, address in answer.json().items():
        expected = {"token": 405, "vm_context_lookup": 400}.get(name, 200)
        assert api.get(address).status_code == expected, name
