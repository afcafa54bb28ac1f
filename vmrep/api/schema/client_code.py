"""The typed client's code, made from the schema: what is sent and answered as typed dictionaries
(`models`), and a method for each operation (`operations`). docs/decisions/0021 says why.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import indent, wrap
from typing import Any, NamedTuple

Json = Mapping[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "client" / "generated"
_BEGINS = (
    '"""{words} Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""\n\n'
)
_PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
_HEADERS = {"IdempotencyKey": "idempotency_key", "IfMatch": "if_match"}
_OF_PAGES = ("cursor", "page", "page_size")


class Made(NamedTuple):
    """The text of each module."""

    models: str
    operations: str


def made(schema: Json) -> Made:
    return Made(_formatted(_models(schema)), _formatted(_operations(schema)))


def _formatted(code: str) -> str:
    """As the rest of the project is: a diff shows what has changed, and no more."""
    beside = Path(sys.executable).with_name("ruff")
    ruff = str(beside) if beside.exists() else shutil.which("ruff") or "ruff"
    done = subprocess.run(
        [ruff, "format", "--stdin-filename", str(FOLDER / "made.py"), "-"],
        input=code,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


# ------------------------------------------------------------------------------------------ models


def _models(schema: Json) -> str:
    schemas = _with_names(schema["components"]["schemas"])
    lines = [_BEGINS.format(words="What the API takes and answers.")]
    lines += ["from __future__ import annotations\n"]
    lines += ["from typing import Literal, NotRequired, TypedDict\n"]
    for name, each in schemas.items():
        if "oneOf" not in each:
            lines.append(_typed_dict(name, each))
    return "\n".join(lines)


def _with_names(schemas: Json) -> dict[str, Json]:
    """Objects within objects, which the schema has in their place, get a name of their own."""
    found: dict[str, Json] = {}

    def named(kind: Any, name: str) -> Any:
        if "items" in kind:
            return {**kind, "items": named(kind["items"], name)}
        if "properties" not in kind:
            return kind
        found[name] = {**kind, "properties": of_object(name, kind)}
        here: dict[str, Any] = {"$ref": f"#/components/schemas/{name}"}
        return {"oneOf": [here, {"type": "null"}]} if "null" in kind.get("type", ()) else here

    def of_object(name: str, kind: Json) -> dict[str, Any]:
        fields = kind.get("properties", {}).items()
        return {field: named(each, f"{name}{_camel(field)}") for field, each in fields}

    for name, kind in schemas.items():
        if not name.endswith("InList"):  # a row of a list, which may have fewer fields
            found[name] = {**kind, "properties": of_object(name, kind)}
    return found


def _camel(field: str) -> str:
    return "".join(part.capitalize() for part in field.split("_"))


def _typed_dict(name: str, each: Json) -> str:
    required = each.get("required", [])
    body = [_docstring(each["description"])] if each.get("description") else []
    for field, kind in each.get("properties", {}).items():
        found = _type_of(kind)
        body.append(f"{field}: {found if field in required else f'NotRequired[{found}]'}")
    return f"\n\nclass {name}(TypedDict):\n{indent(chr(10).join(body) or 'pass', '    ')}\n"


def _docstring(text: str) -> str:
    words = re.split(r"\n\n", text)[0]
    return '"""' + "\n".join(wrap(" ".join(words.split()), 88)) + '"""'


def _type_of(kind: Json) -> str:
    if "$ref" in kind:
        return _named(kind)
    if "oneOf" in kind:
        return " | ".join(dict.fromkeys(_type_of(each) for each in kind["oneOf"]))
    if "enum" in kind:
        return f"Literal[{', '.join(dict.fromkeys(repr(each) for each in kind['enum']))}]"
    types = kind.get("type", "object")
    if isinstance(types, list):
        return " | ".join(_type_of({**kind, "type": each}) for each in types)
    if types == "array":
        return f"list[{_type_of(kind['items'])}]"
    if types in _PLAIN:
        return _PLAIN[types]
    values = kind.get("additionalProperties")
    return f"dict[str, {_type_of(values) if isinstance(values, dict) else 'object'}]"


def _type_in_query(kind: Json) -> str:
    """A server that is newer or older knows other values, and says which."""
    if kind.get("type") == "array":
        return f"Sequence[{_type_in_query(kind['items'])}]"
    return _type_of({name: value for name, value in kind.items() if name != "enum"})


def _named(kind: Json) -> str:
    return str(kind["$ref"]).rpartition("/")[2].removesuffix("InList")


# -------------------------------------------------------------------------------------- operations


def _operations(schema: Json) -> str:
    lines = [_BEGINS.format(words="A method for each operation of the API.")]
    lines += ["from __future__ import annotations\n"]
    lines += ["from collections.abc import Iterator, Sequence\nfrom typing import cast\n"]
    lines += ["from vmrep.client.generated import models"]
    lines += ["from vmrep.client.transport import Transport\n\n"]
    lines += ["class Operations:"]
    lines += ['    """What `vmrep.client.Client` can do; docs/api.md explains it."""\n']
    lines += ["    transport: Transport\n"]
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            lines.append(indent(_Operation(schema, path, method, operation).code(), "    "))
    return "\n".join(lines)


class _Operation:
    """One operation, as the code of a method; of a list also one that reads it whole."""

    def __init__(self, schema: Json, path: str, method: str, operation: Json) -> None:
        self.path, self.method, self.operation = path, method, operation
        self.name = str(operation["operationId"])
        self.schemas = schema["components"]["schemas"]
        given = operation.get("parameters", [])
        self.in_path = [each for each in given if each.get("in") == "path"]
        self.in_path.sort(key=lambda each: path.index(f"{{{each['name']}}}"))
        self.in_query = [each for each in given if each.get("in") == "query"]
        named = [each["$ref"].rpartition("/")[2] for each in given if "$ref" in each]
        self.headers = [name for name in named if name in _HEADERS]

    def code(self) -> str:
        parts = [self._method(self.name, self._answers(), self._call())]
        row = self._row()
        if row is not None:
            name = f"all_{self.name.removeprefix('get_')}"
            parts.append(self._method(name, f"Iterator[{row}]", self._all(row), whole=True))
        return "\n".join(parts)

    def _method(self, name: str, answers: str, call: str, *, whole: bool = False) -> str:
        words = f"{self.operation['description']}"
        if whole:
            words = f"{words} Reads the list whole, page by page."
        parameters = ", ".join(["self", *self._parameters(whole)])
        return (
            f"def {name}({parameters}) -> {answers}:\n"
            f"{indent(_docstring(words), '    ')}\n    {call}\n"
        )

    def _parameters(self, whole: bool) -> Iterator[str]:
        for each in self.in_path:
            yield f"{each['name']}: {_type_of(each['schema'])}"
        body = self.operation.get("requestBody")
        if body is not None:
            kind = f"models.{_named(body['content']['application/json']['schema'])}"
            yield f"body: {kind}" if body.get("required") else f"body: {kind} | None = None"
        named = [*(each for each in self.in_query if not (whole and each["name"] in _OF_PAGES))]
        if named or self.headers:
            yield "*"
        for each in named:
            yield f"{each['name']}: {_type_in_query(each['schema'])} | None = None"
        for name in self.headers:
            yield f"{_HEADERS[name]}: str | None = None"

    def _call(self) -> str:
        given = [repr(self.method.upper()), self._address()]
        if self.in_query:
            given.append(f"query={self._query(whole=False)}")
        if "requestBody" in self.operation:
            given.append("body=body")
        given += [f"{_HEADERS[name]}={_HEADERS[name]}" for name in self.headers]
        if "IdempotencyKey" in self.headers:
            given.append("is_keyed=True")
        call = f"self.transport.ask({', '.join(given)})"
        answers = self._answers()
        return call if answers == "None" else f"return cast({answers!r}, {call})"

    def _all(self, row: str) -> str:
        call = f"self.transport.rows({self._address()}, {self._query(whole=True)})"
        return f"return cast({f'Iterator[{row}]'!r}, {call})"

    def _address(self) -> str:
        if not self.in_path:
            return repr(self.path)
        values = ", ".join(f"{each['name']}={each['name']}" for each in self.in_path)
        return f"self.transport.address({self.path!r}, {values})"

    def _query(self, *, whole: bool) -> str:
        names = [each["name"] for each in self.in_query]
        if whole:
            names = [name for name in names if name not in _OF_PAGES]
        spread = {
            each["name"]
            for each in self.in_query
            if each["schema"].get("type") == "array" and each.get("explode")
        }
        values = [f"{name!r}: {f'_each({name})' if name in spread else name}" for name in names]
        return f"{{{', '.join(values)}}}".replace("_each(", "self.transport.each(")

    def _answers(self) -> str:
        kinds = []
        for status, answer in self.operation["responses"].items():
            if status.startswith("2"):
                content = answer.get("content")
                if content:
                    shape = content.get("application/json")
                    # A file comes as it is.
                    kinds.append(self._shape(shape["schema"]) if shape else "bytes")
        return " | ".join(dict.fromkeys(kinds)) or "None"

    def _shape(self, kind: Json) -> str:
        """A list's answer to other parameters has a method of its own: here it is a page."""
        found = self.schemas[str(kind["$ref"]).rpartition("/")[2]]
        return f"models.{_named(found['oneOf'][0] if 'oneOf' in found else kind)}"

    def _row(self) -> str | None:
        """Of a list; None for what is none."""
        if not any(each["name"] == "cursor" for each in self.in_query):
            return None
        page = self.schemas[self._answers().removeprefix("models.")]
        return f"models.{_named(page['properties']['results']['items'])}"
