"""The lines of the log: what they belong to, and that nothing that is logged forges one."""

from __future__ import annotations

import json
import logging
import threading
from contextvars import copy_context
from typing import Any

import pytest
from django.test import Client
from structlog.contextvars import bound_contextvars

from contexts import log_lines
from tests import factories
from vmrep.logs import JSON, TEXT, as_line, formatter

FORGED = "vm\n2026-12-01 00:00:00,000 ERROR vmrep 1 - forged\r\x1b[2J\u2028\u202e\x85"


def record(message: str, *arguments: Any, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("vmrep.test", logging.WARNING, "", 0, message, arguments, info)


def test_a_name_begins_no_record_of_its_own_and_moves_no_cursor():
    lines = formatter(TEXT).format(record("VM %s is gone", FORGED)).split("\n")
    assert lines[0].endswith("VM vm")
    assert all(line.startswith("    ") for line in lines[1:])
    assert all(character.isprintable() for character in "".join(lines))


def test_a_name_stays_within_its_object():
    line = formatter(JSON).format(record("VM %s is gone", FORGED + '", "level": "error'))
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    assert found["level"] == "warning"
    assert found["message"] == f'VM {FORGED}", "level": "error is gone'


def test_an_error_is_one_line_with_its_traceback():
    try:
        raise ValueError(FORGED)
    except ValueError as error:
        line = formatter(JSON).format(record("it failed", error=error))
    assert "\n" not in line
    found = json.loads(line)
    assert found["message"] == "it failed"
    assert found["error"].startswith("Traceback")


@pytest.mark.django_db
@pytest.mark.any_database
def test_no_name_at_the_login_begins_a_record(caplog, settings):
    """Whoever asks for a token need not be anybody."""
    settings.AXES_ENABLED = True  # which logs the name
    with caplog.at_level(logging.DEBUG):
        for name in (FORGED, "ops\n2026-12-01 00:00:00,000 ERROR vmrep 1 - forged"):
            wanted = {"username": name, "password": "wrong"}
            asked = Client().post("/api/v1/token/", wanted, content_type="application/json")
            assert asked.status_code in (400, 401)
    text = formatter(TEXT)
    told = [text.format(each) for each in caplog.records]
    assert any("forged" in each for each in told)
    for line in (line for each in told for line in each.split("\n")[1:]):
        assert line.startswith("    "), line


@pytest.mark.django_db
def test_lines_say_what_they_belong_to_also_those_of_threads():
    vm = factories.context("web")
    said: list[dict[str, Any]] = []

    def say() -> None:
        said.append(json.loads(formatter(JSON).format(record("here"))))

    with log_lines.of_vm(vm, job="job-1", attempt=2):
        say()
        thread = threading.Thread(target=copy_context().run, args=(say,))
        thread.start()
        thread.join()
    say()
    about = {"vm": "web", "context": vm.pk, "vcenter": vm.vcenter.name, "job": "job-1"}
    for line in said[:2]:
        assert about.items() <= line.items()
        assert line["attempt"] == 2
    assert "job" not in said[2]


def test_what_a_line_belongs_to_hides_nothing_of_the_line():
    with bound_contextvars(level="x", message="y", job="z"):
        found = json.loads(formatter(JSON).format(record("here")))
    assert (found["level"], found["message"], found["job"]) == ("warning", "here", "z")


def test_what_is_said_without_a_logger_is_a_line_too():
    found = json.loads(as_line("worker: Warm shutdown", "celery.worker"))
    assert (found["logger"], found["message"]) == ("celery.worker", "worker: Warm shutdown")
