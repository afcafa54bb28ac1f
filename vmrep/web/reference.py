"""The API's schema (docs/openapi.yaml) as people read it: all operations, and one by one what each
takes and answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from rest_framework.utils.encoders import JSONEncoder

Json = Mapping[str, Any]
DEEPEST_EXAMPLE = 3
_PLACES = {"path": "address", "query": "parameter", "header": "header"}
_SAMPLES = {
    "string": "…",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}
_FORMATS = {
    "date-time": "2026-12-24T18:00:00Z",
    "date": "2026-12-24",
    "uri": "https://vmrep.example.org/api/v1/",
    "ipv4": "192.0.2.1",
}


class Kind(NamedTuple):
    """What a value may be: in words, the object of which it is (one), and its only values."""

    words: str
    of: str | None
    values: list[str]


class Field(NamedTuple):
    """Of a body, an answer, an address or a header."""

    name: str
    kind: Kind
    required: bool
    words: SafeString


class Parameter(NamedTuple):
    place: str
    field: Field


class Answer(NamedTuple):
    status: str
    words: SafeString
    kind: Kind | None


class Operation(NamedTuple):
    """`role`, `scope`: what it asks of a user and a token, None of a webhook."""

    id: str
    method: str
    path: str
    group: str
    summary: SafeString
    description: SafeString
    role: str | None
    scope: str | None


class Detail(NamedTuple):
    operation: Operation
    parameters: list[Parameter]
    body: Kind | None
    body_required: bool
    example: str
    curl: str
    answers: list[Answer]
    refusals: list[Answer]


class Shape(NamedTuple):
    """An object of the API."""

    name: str
    description: SafeString
    fields: list[Field]
    example: str


def file() -> Path:
    return Path(settings.BASE_DIR) / "docs" / "openapi.yaml"


@lru_cache(maxsize=1)
def schema() -> Json:
    """As it is checked in. It takes some tenths of a second, once."""
    found: Json = yaml.load(file().read_text(), Loader=yaml.CSafeLoader)
    return found


@lru_cache(maxsize=1)
def operations() -> list[Operation]:
    """All of them; what is sent to webhooks comes last."""
    found = [
        _operation(path, method, operation)
        for path, item in schema()["paths"].items()
        for method, operation in item.items()
    ]
    sent = [_message(name, item["post"]) for name, item in schema()["webhooks"].items()]
    return [*found, *sent]


def matching(search: str) -> list[tuple[str, list[Operation]]]:
    """Those that have each word of the search, by group."""
    words = search.lower().split()
    groups: dict[str, list[Operation]] = {}
    for each in operations():
        text = f"{each.method} {each.path} {each.description} {each.id} {each.role}".lower()
        if all(word in text for word in words):
            groups.setdefault(each.group, []).append(each)
    return list(groups.items())


def detail(name: str) -> Detail | None:
    """Of one operation, by its ID."""
    found = next((each for each in operations() if each.id == name), None)
    if found is None:
        return None
    told = _told(found)
    body = told.get("requestBody", {})
    kind = _content(body)
    sample = _sample(kind, 0) if kind else None
    example = _json(sample) if kind else ""
    answers = [_answer(status, each) for status, each in told["responses"].items()]
    return Detail(
        found,
        [_parameter(each) for each in told.get("parameters", [])],
        _kind(kind) if kind else None,
        bool(body.get("required")),
        example,
        "" if found.role is None else _curl(found, example),
        [each for each in answers if each.status[0] in "23"],
        [each for each in answers if each.status[0] not in "23"],
    )


def shape(name: str) -> Shape | None:
    """An object, by its name."""
    found = schema()["components"]["schemas"].get(name)
    if found is None:
        return None
    return Shape(
        name,
        _words(found),
        [*_fields(found)],
        _json(_sample({"$ref": f"#/components/schemas/{name}"}, 0)),
    )


def worded(text: str) -> SafeString:
    """The schema's words as HTML: what is in backquotes is code."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))  # noqa: S308


def _told(found: Operation) -> Any:
    if found.group == "webhooks":
        return schema()["webhooks"][found.id.removeprefix("webhook_")]["post"]
    return schema()["paths"][found.path][found.method.lower()]


def _message(name: str, told: Json) -> Operation:
    """What is sent to a webhook."""
    words = worded(told["summary"]), worded(told["description"])
    return Operation(f"webhook_{name}", "POST", "your address", "webhooks", *words, None, None)


def _operation(path: str, method: str, told: Json) -> Operation:
    scopes = [scope for each in told.get("security", []) for scope in each.get("token", [])]
    return Operation(
        told["operationId"],
        method.upper(),
        path,
        str(told["tags"][0]),
        worded(told["summary"]),
        worded(told["description"]),
        told["x-role"],
        scopes[0] if scopes else None,
    )


def _curl(found: Operation, example: str) -> str:
    path = re.sub(r"\{(\w+)\}", r"$\1", found.path)
    lines = [f"curl -s -X {found.method} $VMREP{path}".replace("-X GET ", "")]
    if found.scope:
        lines.append("-H @token-header")
    if example:
        lines += ["-H 'Content-Type: application/json'", f"-d {_quoted(example)}"]
    return " \\\n     ".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _parameter(told: Json) -> Parameter:
    told = _resolved(told)
    required = bool(told.get("required"))
    field = Field(told["name"], _kind(told["schema"]), required, _words(told))
    return Parameter(_PLACES[told["in"]], field)


def _answer(status: str, told: Json) -> Answer:
    told = _resolved(told)
    kind = _content(told)
    return Answer(status, _words(told), _kind(kind) if kind else None)


def _content(told: Json) -> Json | None:
    contents = list(told.get("content", {}).values())
    return contents[0]["schema"] if contents else None


def _resolved(told: Json) -> Json:
    if "$ref" not in told:
        return told
    _, _, part, name = told["$ref"].split("/")
    found: Json = schema()["components"][part][name]
    return found


def _words(told: Json) -> SafeString:
    return worded(str(told.get("description", "")))


def _fields(found: Json) -> Iterator[Field]:
    # Of a body; in an answer all are there.
    required = found.get("required", ()) if found.get("additionalProperties") is False else ()
    for name, kind in found.get("properties", {}).items():
        # Of a column's values drf-spectacular makes a list; they are shown anyway.
        listed = str(kind.get("description", "")).startswith("* `")
        yield Field(name, _kind(kind), name in required, worded("") if listed else _words(kind))


def _kind(told: Json) -> Kind:
    if "$ref" in told:
        name = _named(told)
        return Kind(name, name, [])
    if "oneOf" in told:
        parts = [_kind(each) for each in told["oneOf"]]
        of = next((each.of for each in parts if each.of), None)
        return Kind(" or ".join(each.words for each in parts), of, [])
    if told.get("type") == "array":
        items = _kind(told["items"])
        return Kind(f"list of {items.words}", items.of, items.values)
    types = told.get("type", "any value")
    words = " or ".join(types) if isinstance(types, list) else str(types)
    values = [str(each) for each in told.get("enum", ()) if each not in (None, "")]
    return Kind(f"{words}{_bounds(told)}", None, values)


def _bounds(told: Json) -> str:
    """As numbers and lengths, if it has any."""
    low = told.get("minimum", told.get("minLength"))
    high = told.get("maximum", told.get("maxLength"))
    unit = " characters" if "maxLength" in told or "minLength" in told else ""
    if low is None and high is None:
        return ""
    if high is None or high >= 1 << 62:
        return f", {low} or more{unit}"
    return f", {low} to {high}{unit}" if low is not None else f", at most {high}{unit}"


def _named(told: Json) -> str:
    return str(told["$ref"]).rpartition("/")[2]


def _sample(told: Json, depth: int) -> Any:
    """A value as the schema has it; deep inside an answer, only that there is one."""
    if "$ref" in told:
        if depth >= DEEPEST_EXAMPLE:
            return {}
        return _sample(schema()["components"]["schemas"][_named(told)], depth + 1)
    if "oneOf" in told:
        return _sample(told["oneOf"][0], depth)
    if "enum" in told:
        return told["enum"][0]
    types = told.get("type", "object")
    first = types[0] if isinstance(types, list) else types
    if first == "array":
        return [_sample(told["items"], depth)]
    if first != "object":
        return _FORMATS.get(told.get("format", ""), told.get("minimum") or _SAMPLES[first])
    return {name: _sample(each, depth) for name, each in told.get("properties", {}).items()}


def _json(sample: object) -> str:
    return json.dumps(sample, cls=JSONEncoder, indent=2, ensure_ascii=False)
