"""Every answer that a test of the API gets is held against the schema: status, type and content."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from django.urls import Resolver404, resolve
from drf_spectacular.generators import SchemaGenerator
from jsonschema_rs import Draft202012Validator

from tests import error_codes
from vmrep.api.schema.inspector import PREFIX, names_of_addresses
from vmrep.problems import MEDIA_TYPE

Json = dict[str, Any]


@cache
def schema() -> Json:
    found: Json = SchemaGenerator().get_schema(request=None, public=True)
    return found


def check(method: str, path: str, query: str, answer: Any) -> None:
    """Raises AssertionError for an answer that the schema does not describe."""
    operation = _operation(method, path)
    if operation is None:
        return
    described = operation["responses"].get(str(answer.status_code))
    assert described, f"{method} {path}: {answer.status_code} is not described\n{answer.content}"
    if "$ref" in described:
        described = schema()["components"]["responses"][described["$ref"].rpartition("/")[2]]
    assert answer["X-Request-ID"]
    if answer.status_code in (204, 304):
        assert not answer.content
        return
    kind = answer["Content-Type"].partition(";")[0]
    assert kind in described["content"], (method, path, answer.status_code, kind)
    if kind == MEDIA_TYPE:
        assert answer.json()["code"] in error_codes.documented(), answer.json()
    if kind == "application/zip":
        return
    pointer = described["content"][kind]["schema"]["$ref"]
    found = [
        f"{'/'.join(map(str, problem.instance_path))}: {problem.message[:200]}"
        for problem in _validator(pointer, "fields=" in query).iter_errors(answer.json())
    ]
    assert not found, "\n".join([f"{method} {path} is not as described:", *found])


def check_message(message: Json) -> None:
    """Raises AssertionError for what is sent to webhooks and is not described."""
    word = message["type"].removeprefix("vmrep.")
    told = schema()["webhooks"].get(word, schema()["webhooks"]["occurrence"])
    (content,) = told["post"]["requestBody"]["content"].values()
    found = list(_validator(content["schema"]["$ref"], False).iter_errors(message))
    assert not found, (message, [problem.message for problem in found])


def _operation(method: str, path: str) -> Json | None:
    try:
        match = resolve(path)
    except Resolver404:
        return None
    paths = {name: path for path, name in names_of_addresses().items()}
    template = paths.get(str(match.url_name))
    if match.app_name != "api" or template is None or not path.startswith(PREFIX):
        return None
    found: Json | None = schema()["paths"].get(template, {}).get(method.lower())
    return found


@cache
def _validator(pointer: str, is_sparse: bool) -> Draft202012Validator:
    """Stricter than the schema, which leaves room for what is to come: nothing may be there that it
    does not name, nor, unless `fields` was given, be missing in a row."""
    components = copy.deepcopy(schema()["components"])
    for name, each in components["schemas"].items():
        if each.get("type") != "object" or name == "Problem" or "properties" not in each:
            continue
        each["additionalProperties"] = False
        if not (is_sparse and name.endswith("InList")):
            each["required"] = list(each["properties"])
    return Draft202012Validator({"$ref": pointer, "components": components}, validate_formats=True)
