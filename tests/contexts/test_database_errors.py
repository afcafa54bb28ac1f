"""What the database refuses is told as what it is: a race, or a value that it never takes."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client

from contexts.database_errors import is_race, own_words, refused_value
from contexts.models import DiscoveredVM, VCenter, VMContext
from contexts.services import discovery
from tests import factories
from vmrep.api.errors import exception_handler

pytestmark = pytest.mark.django_db(transaction=True)


def second_of_a_name() -> None:
    factories.vcenter("one")
    factories.vcenter("one")


def of_a_vcenter_that_is_gone() -> None:
    context = factories.context()
    VMContext.objects.filter(pk=context.pk).update(vcenter_id=10**6)


def given_up_for_another() -> None:
    """A deadlock, or a serialization that failed, as the server tells of it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one lock for all who write")
    with connection.cursor() as cursor:
        cursor.execute("DO $$BEGIN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END$$")


def no_port() -> None:
    VCenter.objects.filter(pk=factories.vcenter().pk).update(port=70_000)


def no_name() -> None:
    VCenter.objects.filter(pk=factories.vcenter().pk).update(name=None)


def long_uuid() -> None:
    factories.discovered_vm("odd", instance_uuid="x" * 100)


def many_cpus() -> None:
    factories.discovered_vm("odd", cpu_count=10**12)


def refusal_of(act: Callable[[], None]) -> DatabaseError:
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        act()
    return refused.value


@pytest.mark.parametrize("act", [second_of_a_name, of_a_vcenter_that_is_gone, given_up_for_another])
def test_what_others_did_in_the_same_moment_is_a_race(act):
    problem = refusal_of(act)
    assert is_race(problem)
    answer = exception_handler(problem, {})
    assert (answer.status_code, answer.data["code"]) == (409, "conflict")
    assert "try again" in answer.data["message"]


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (no_port, ("vCenter", "vcenter port possible")),
        (no_name, ("name", "vCenter")),
        (
            long_uuid,
            ("64",) if connection.vendor == "postgresql" else ("discovered vm column types",),
        ),
        (many_cpus, ("discovered VM", "discovered vm specs possible")),
    ],
)
def test_a_value_that_is_never_taken_is_no_race(act, named):
    problem = refusal_of(act)
    assert not is_race(problem)
    answer = exception_handler(problem, {})
    assert (answer.status_code, answer.data["code"]) == (400, "value_refused")
    assert "try again" not in answer.data["message"]
    for word in named:
        assert word in answer.data["message"]
        assert word in str(refused_value(problem))


def test_a_rule_by_trigger_that_a_value_always_breaks_is_no_race():
    refuses = "CREATE TRIGGER no_odd_name BEFORE UPDATE ON vcenters"
    if connection.vendor == "postgresql":
        body = "BEGIN RAISE EXCEPTION 'odd_names_are_refused'; END"
        statements = [
            f"CREATE FUNCTION no_odd_name() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            f"{refuses} FOR EACH ROW EXECUTE FUNCTION no_odd_name()",
        ]
    else:
        statements = [f"{refuses} BEGIN SELECT RAISE(ABORT, 'odd_names_are_refused'); END"]
    vcenters = VCenter.objects.filter(pk=factories.vcenter().pk)

    def update_under_the_rule() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            vcenters.update(name="odd")

    with pytest.raises(DatabaseError) as refused:
        update_under_the_rule()
    assert not is_race(refused.value)
    assert "odd_names_are_refused" in str(refused_value(refused.value))


@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        (second_of_a_name, 409, "Another process changed this"),
        (given_up_for_another, 409, "Another process changed this"),
        (no_port, 400, "vcenter port possible"),
    ],
)
def test_a_page_says_the_same(act, status, words, monkeypatch):
    def request(vcenter: VCenter, *, actor: str) -> Any:
        with transaction.atomic():
            act()

    monkeypatch.setattr(discovery, "request", request)
    vcenter = factories.vcenter()
    client = Client(raise_request_exception=False)
    client.force_login(factories.user())
    answer = client.post(f"/discovery/{vcenter.pk}/start/")
    assert answer.status_code == status
    assert words in answer.text


def test_nothing_of_it_stays():
    refusal_of(long_uuid)
    assert not DiscoveredVM.objects.exists()


def deletion_of_what_is_used() -> ProtectedError:
    vcenter = factories.context("secret-name").vcenter
    with pytest.raises(ProtectedError) as refused:
        vcenter.delete()
    return refused.value


def test_what_is_still_used_is_a_race_that_names_no_row(caplog):
    """Django's own error holds the rows themselves: its text is made of them, with queries."""
    problem = deletion_of_what_is_used()
    assert is_race(problem)
    with connection.execute_wrapper(no_query):
        answer = exception_handler(problem, {})
        told = [
            answer.data["message"],
            caplog.text,
            own_words(problem),
            str(refused_value(problem)),
        ]
    assert answer.status_code == 409
    assert "secret-name" not in " ".join(told)


def no_query(*_: object) -> None:
    raise AssertionError("telling an error asks the database")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite tells no row's content")
def test_what_is_told_of_a_refused_row_is_not_its_content(monkeypatch, caplog):
    vcenter = factories.vcenter("one", password_encrypted="the-secret")

    def write() -> None:
        VCenter.objects.filter(pk=vcenter.pk).update(port=70_000)

    problem = refusal_of(write)
    assert "the-secret" in str(problem)
    monkeypatch.setattr(discovery, "_read", lambda run: write())
    run = factories.discovery(vcenter, "pending", started_at=None)
    with pytest.raises(IntegrityError):
        discovery.run(run.pk)
    run.refresh_from_db()
    assert "vcenter_port_possible" in run.error_message
    for told in (run.error_message, own_words(problem), str(refused_value(problem))):
        assert "the-secret" not in told

    # As Celery logs what ends a task: the error's repr in the message, and the traceback.
    where = (type(problem), problem, problem.__traceback__)
    record = logging.LogRecord("celery", logging.ERROR, "", 0, "it was %r", (problem,), where)
    config = logging.config.DictConfigurator(settings.LOGGING)
    for style in ("text", "json"):
        wanted = settings.LOGGING["formatters"]["line"] | {"style": style}
        line = config.configure_formatter(wanted).format(record)
        assert line.count("the-secret") == 0
        assert line.count("vcenter_port_possible") == 3
        assert "Traceback" in line
        assert "in write" in line
