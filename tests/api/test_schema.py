"""The schema is made without a doubt, is what is checked in, and is valid OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

from tests.api.conformance import schema
from vmrep.api.urls import urlpatterns

pytestmark = pytest.mark.any_database

CHECKED_IN = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


def test_it_is_made_without_warnings() -> None:
    GENERATOR_STATS.reset()
    schema.cache_clear()
    validate_schema(schema())
    assert not GENERATOR_STATS, GENERATOR_STATS.emit_summary()
    assert schema()["openapi"] == "3.1.0"


def test_what_is_checked_in_is_what_the_code_says() -> None:
    """After a change: .venv/bin/python manage.py spectacular --file docs/openapi.yaml"""
    assert CHECKED_IN.read_bytes() == OpenApiYamlRenderer().render(schema(), renderer_context={})


def test_what_may_be_null_is_said_as_3_1_has_it() -> None:
    """A validator overlooks OpenAPI 3.0's word for it, and null would be against the schema."""
    assert b"nullable:" not in CHECKED_IN.read_bytes()


def test_every_address_is_in_it() -> None:
    assert len(schema()["paths"]) == len([each for each in urlpatterns if each.name != "nowhere"])


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does() -> None:
    operations = [each for item in schema()["paths"].values() for each in item.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    assert [each["operationId"] for each in operations if not each["description"]] == []


def test_everything_that_is_referred_to_is_there() -> None:
    def references(told: Any) -> Iterator[str]:
        for each in told.values() if isinstance(told, dict) else told:
            if isinstance(each, dict | list):
                yield from references(each)
        if isinstance(told, dict) and "$ref" in told:
            yield told["$ref"]

    for reference in set(references(schema())):
        found: Any = schema()
        for part in reference.removeprefix("#/").split("/"):
            assert part in found, reference
            found = found[part]


def test_every_operation_says_who_may() -> None:
    for item in schema()["paths"].values():
        for operation in item.values():
            assert operation["x-role"] in ("public", "anybody", "viewer", "operator", "admin")
            scopes = [each.get("token") for each in operation.get("security", [])]
            assert scopes == [] or scopes[0] in (["read"], ["write"], ["danger"]), operation


def test_what_is_sent_to_webhooks_is_in_it() -> None:
    assert set(schema()["webhooks"]) == {"occurrence", "digest", "report", "test"}
