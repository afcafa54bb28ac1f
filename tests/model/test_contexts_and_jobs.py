"""Contexts and jobs against a model: whatever happens, in whatever order, the record is right.

A longer run: script/test tests/model --model-examples 2000
(on PostgreSQL: script/test --postgres tests/model --model-examples 2000).
"""

from __future__ import annotations

import itertools

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import ContextMachine

EXAMPLES = {"sqlite": 6, "postgresql": 2}
IN_THE_SLOW_TIER = {"sqlite": 500, "postgresql": 160}
STEPS = 50


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("replication.messages.send", lambda *message: None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "histories",
    [
        pytest.param(EXAMPLES, id="some"),
        pytest.param(IN_THE_SLOW_TIER, id="many", marks=pytest.mark.slow),
    ],
)
def test_whatever_happens_the_record_is_right(request, tmp_path, histories):
    examples = request.config.getoption("model_examples") or histories[connection.vendor]
    folders = (tmp_path / str(number) for number in itertools.count())
    ContextMachine.steps_run = 0
    run_state_machine_as_test(
        lambda: ContextMachine(next(folders)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        ),
    )
    print(f"\n{examples} examples, {ContextMachine.steps_run} steps on {connection.vendor}")
    assert ContextMachine.steps_run >= examples * STEPS / 2
