"""The typed client's code, made from the schema: what is sent and answered as typed dictionaries
(`models`), and a method for each operation (`operations`), a module for each resource.
docs/decisions/0021 says why.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import indent, wrap
from typing import Any

Json = Mapping[str, Any]

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "vmrep" / "client" / "generated"
PACKAGE = "vmrep.client.generated"
SHARED = "shared"
"""The module of the models that several resources have."""
_BEGINS = (
    '"""{words} Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""\n\n'
    "from __future__ import annotations\n"
)
_PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
_OF_PAGES = ("cursor", "page", "page_size")


def made(schema: Json) -> dict[str, str]:
    """The text of each module, by its path in `FOLDER`."""
    modules = {"__init__.py": _with_commas(schema), **_models(schema), **_operations(schema)}
    return _formatted(modules)


def write(schema: Json) -> None:
    """All modules anew; those that are no longer made go."""
    modules = made(schema)
    for old in FOLDER.rglob("*.py"):
        old.unlink()
    for name, code in modules.items():
        file = FOLDER / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)


def _formatted(modules: Mapping[str, str]) -> dict[str, str]:
    """As the rest of the project is: a diff shows what has changed, and no more."""
    beside = Path(sys.executable).with_name("ruff")
    ruff = str(beside) if beside.exists() else shutil.which("ruff") or "ruff"
    with tempfile.TemporaryDirectory() as folder:
        for name, code in modules.items():
            file = Path(folder, name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(code)
        for words in (("check", "--select", "I", "--fix"), ("format",)):
            told = ("--quiet", "--no-cache", "--config", str(ROOT / "pyproject.toml"))
            subprocess.run([ruff, *words, *told, folder], check=True)
        return {name: Path(folder, name).read_text() for name in modules}


def _tag(operation: Json) -> str:
    return str(operation["tags"][0]).replace("-", "_")


# ------------------------------------------------------------------------------------------ models


def _models(schema: Json) -> dict[str, str]:
    found = _with_names(schema["components"]["schemas"])
    modules: dict[str, list[str]] = {}
    home = _homes(schema, found)
    for name, each in found.items():
        if "oneOf" not in each:
            modules.setdefault(home[name], []).append(name)
    made = {
        f"models/{module}.py": _models_module(
            [(name, found[name]) for name in names],
            {each for name in names for each in _referred(found[name]) if home[each] != module},
        )
        for module, names in modules.items()
    }
    made["models/__init__.py"] = _models_in_all(modules)
    return made


def _models_in_all(modules: Mapping[str, list[str]]) -> str:
    lines = [_BEGINS.format(words="What the API takes and answers.")]
    for module, names in modules.items():
        known = ", ".join(f"{each} as {each}" for each in names)
        lines.append(f"from {PACKAGE}.models.{module} import {known}")
    return "\n".join(lines)


def _models_module(models: list[tuple[str, Json]], foreign: set[str]) -> str:
    classes = "\n".join(_typed_dict(name, each) for name, each in models)
    known = [name for name in ("Literal", "NotRequired", "TypedDict") if name in classes]
    lines = [_BEGINS.format(words="What the API takes and answers.")]
    lines.append(f"from typing import {', '.join(known)}\n")
    if foreign:
        lines.append(f"from {PACKAGE}.models.{SHARED} import {', '.join(sorted(foreign))}\n")
    return "\n".join([*lines, classes])


def _homes(schema: Json, models: Mapping[str, Json]) -> dict[str, str]:
    """The module of each model: that of the one resource that has it, else the shared one. So no
    module needs another one than that."""
    users: dict[str, set[str]] = {name: set() for name in models}
    for item in [*schema["paths"].values(), *schema["webhooks"].values()]:
        for operation in item.values():
            shown = {code: each for code, each in operation["responses"].items() if code[0] == "2"}
            waiting = [*_referred([shown, operation.get("requestBody", {})])]
            while waiting:
                name = waiting.pop()
                if _tag(operation) not in users[name]:
                    users[name].add(_tag(operation))
                    waiting += _referred(models[name])
    return {name: next(iter(tags)) if len(tags) == 1 else SHARED for name, tags in users.items()}


def _referred(part: Any) -> Iterator[str]:
    """The models that a part of the schema names."""
    if isinstance(part, dict):
        if str(part.get("$ref", "")).startswith("#/components/schemas/"):
            yield _named(part)
        for each in part.values():
            yield from _referred(each)
    elif isinstance(part, list):
        for each in part:
            yield from _referred(each)


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


def _operations(schema: Json) -> dict[str, str]:
    by_tag: dict[str, list[_Operation]] = {}
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            found = _Operation(schema, path, method, operation)
            by_tag.setdefault(_tag(operation), []).append(found)
    made = {f"operations/{tag}.py": _operations_module(tag, each) for tag, each in by_tag.items()}
    lines = [_BEGINS.format(words="A method for each operation of the API.")]
    lines += [f"from {PACKAGE}.operations.{tag} import {_camel(tag)}" for tag in sorted(by_tag)]
    lines.append(f"\n\nclass Operations({', '.join(map(_camel, sorted(by_tag)))}):")
    lines.append('    """What `vmrep.client.Client` can do; docs/api.md explains it."""')
    made["operations/__init__.py"] = "\n".join(lines)
    return made


def _operations_module(tag: str, operations: list[_Operation]) -> str:
    queries = "\n".join(each.queries() for each in operations)
    methods = "\n".join(each.code() for each in operations)
    lines = [_BEGINS.format(words="A method for each operation of the API.")]
    abstract = [each for each in ("Iterator", "Sequence") if f"{each}[" in queries + methods]
    if abstract:
        lines.append(f"from collections.abc import {', '.join(abstract)}")
    if queries.strip():
        lines.append("from typing import TypedDict, Unpack")
    calls = ["Calls", "Page"] if ", Page, " in queries else ["Calls"]
    lines.append(f"\nfrom vmrep.client.calls import {', '.join(calls)}")
    if "models." in methods:
        lines.append(f"from {PACKAGE} import models")
    lines += [queries, f"\n\nclass {_camel(tag)}(Calls):", indent(methods, "    ")]
    return "\n".join(lines)


class _Operation:
    """One operation, as the code of a method; of a list also one that reads it whole."""

    def __init__(self, schema: Json, path: str, method: str, operation: Json) -> None:
        self.path, self.method, self.operation = path, method, operation
        self.name = str(operation["operationId"])
        self.plain_name = self.name.removeprefix("get_")
        self.schemas = schema["components"]["schemas"]
        given = operation.get("parameters", [])
        self.in_path = [each for each in given if each.get("in") == "path"]
        self.in_path.sort(key=lambda each: path.index(f"{{{each['name']}}}"))
        self.in_query = [each for each in given if each.get("in") == "query"]
        named = {each["$ref"].rpartition("/")[2] for each in given if "$ref" in each}
        self.is_keyed, self.is_versioned = "IdempotencyKey" in named, "IfMatch" in named

    def queries(self) -> str:
        """The types of its parameters; of a list those that choose rows, and all."""
        if not self.in_query:
            return ""
        name = _camel(self.plain_name)
        chooses = [each for each in self.in_query if each["name"] not in _OF_PAGES]
        fields = [_in_query(each) for each in chooses]
        is_list = self._row() is not None
        first = f"{name}Filter" if is_list else f"{name}Query"
        body = indent("\n".join(fields) or "pass", "    ")
        code = f"\n\nclass {first}(TypedDict, total=False):\n{body}\n"
        if is_list:
            code += f"\n\nclass {name}Query({first}, Page, total=False):\n    pass\n"
        return code

    def code(self) -> str:
        words = str(self.operation["description"])
        parts = [
            _method(self.name, [*self._parameters("Query")], self._answers(), words, self._call())
        ]
        row = self._row()
        if row is not None:
            parts.append(
                _method(
                    f"all_{self.plain_name}",
                    [*self._parameters("Filter")],
                    f"Iterator[{row}]",
                    f"All rows of `{self.name}`, page by page.",
                    f"self._rows({self._address()}, query=query)",
                )
            )
        return "\n".join(parts)

    def _parameters(self, query: str) -> Iterator[str]:
        for each in self.in_path:
            yield f"{each['name']}: {_type_of(each['schema'])}"
        body = self.operation.get("requestBody")
        if body is not None:
            kind = f"models.{_named(body['content']['application/json']['schema'])}"
            yield f"body: {kind}" if body.get("required") else f"body: {kind} | None = None"
        if self.in_query:
            yield f"**query: Unpack[{_camel(self.plain_name)}{query}]"
        for is_taken, name in (
            (self.is_keyed, "idempotency_key"),
            (self.is_versioned, "if_match"),
        ):
            if is_taken:
                yield from ("*", f"{name}: str | None = None")

    def _call(self) -> str:
        address = self._address()
        if self.method == "get":
            return f"self._get({address}{', query=query' if self.in_query else ''})"
        body = ", body=body" if "requestBody" in self.operation else ""
        if self.is_keyed:
            return f"self._once({address}{body}, key=idempotency_key)"
        match = ", if_match=if_match" if self.is_versioned else ""
        return f"self._send({self.method.upper()!r}, {address}{body}{match})"

    def _address(self) -> str:
        """The path with its gaps, and what goes into them."""
        path = re.sub(r"\{\w+\}", "{}", self.path)
        return ", ".join([repr(path), *(each["name"] for each in self.in_path)])

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


def _method(name: str, parameters: list[str], answers: str, words: str, call: str) -> str:
    does = call if answers == "None" else f"return {call}"
    return (
        f"def {name}({', '.join(['self', *parameters])}) -> {answers}:\n"
        f"{indent(_docstring(words), '    ')}\n    {does}\n"
    )


def _in_query(parameter: Json) -> str:
    return f"{parameter['name']}: {_type_in_query(parameter['schema'])} | None"


def _with_commas(schema: Json) -> str:
    """The parameters whose values go into one text, for the transport."""
    found: dict[str, set[bool]] = {}
    for item in schema["paths"].values():
        for operation in item.values():
            for each in operation.get("parameters", []):
                if each.get("in") == "query" and each["schema"].get("type") == "array":
                    found.setdefault(each["name"], set()).add(bool(each.get("explode")))
    if any(len(ways) > 1 for ways in found.values()):
        raise ValueError(f"Parameters of one name are written in two ways: {found}")
    names = tuple(sorted(name for name, ways in found.items() if ways == {False}))
    return (
        _BEGINS.format(words="The part of the client that the schema says.")
        + f"\nWITH_COMMAS = {names!r}\n"
        '"""Parameters whose values are one text; of others each value is written by itself."""\n'
    )
