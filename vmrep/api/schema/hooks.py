"""What holds for every operation alike, put into the finished schema: refusals, headers, logins."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from vmrep.api.schema.inspector import names_of_addresses
from vmrep.api.schema.rights import asked

Json = dict[str, Any]

REQUEST_ID = {"$ref": "#/components/headers/RequestID"}
ETAG = {"$ref": "#/components/headers/ETag"}
LOCATION = {"$ref": "#/components/headers/Location"}
REPLAYED = {"$ref": "#/components/headers/IdempotencyReplayed"}
WRITES = ("post", "put", "patch", "delete")

REFUSALS = {
    "400": "Something in the request is not as it must be: `errors` says what.",
    "401": "No login, or one that is not valid.",
    "403": "You may not do this.",
    "404": "There is no such object, as far as you may see.",
    "409": "The present state does not allow it.",
    "412": "The object is no longer as `If-Match` says: read it again.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "This `Idempotency-Key` belongs to another request.",
    "429": "Too many requests: wait as long as `Retry-After` says.",
    "502": "The vCenter, or the other side, does not do its part.",
    "507": "The repository has no room.",
    "503": "The database, or what the request needs, does not answer. Try again later.",
}


def finish(result: Json, generator: Any, request: Any, public: bool) -> Json:
    """A hook of drf-spectacular."""
    components = result["components"]
    # Its webhooks are read after it has put the components together.
    components["schemas"] |= generator.registry.build({})["schemas"]
    components["schemas"]["Problem"] = PROBLEM
    components["responses"] = {"Problem": _problem("The request was refused, or failed.")}
    components["responses"]["Unchanged"] = {
        "description": "Nothing is different from what `If-None-Match` names.",
        "headers": {"X-Request-ID": REQUEST_ID, "ETag": ETAG},
    }
    components["responses"] |= {f"Problem{code}": _problem(why) for code, why in REFUSALS.items()}
    components["headers"] = HEADERS
    components["parameters"] = PARAMETERS
    components["securitySchemes"] = SECURITY
    for path, item in result["paths"].items():
        for method, operation in item.items():
            _finish_operation(path, method, operation)
    for item in result["webhooks"].values():
        item["post"] |= {"tags": ["webhooks"], "parameters": SIGNED}
    _close_bodies(result)
    _loosen_rows(components["schemas"])
    components["schemas"] = dict(sorted(components["schemas"].items()))
    _say_null(result)
    return result


def _say_null(part: Any) -> None:
    """OpenAPI 3.1 knows no `nullable`; drf-spectacular leaves it in what type hints describe."""
    for inner in part.values() if isinstance(part, dict) else part:
        if isinstance(inner, dict | list):
            _say_null(inner)
    if isinstance(part, dict) and part.get("nullable") is True and isinstance(part["type"], str):
        del part["nullable"]
        part["type"] = [part["type"], "null"]
        if "enum" in part and None not in part["enum"]:
            part["enum"] = [*part["enum"], None]


def _finish_operation(path: str, method: str, operation: Json) -> None:
    role, scope = asked(names_of_addresses()[path], method)
    operation["x-role"] = role
    if scope is not None:
        operation["security"] = [{"token": [scope]}, {"session": []}]
    for status, answer in operation["responses"].items():
        answer["description"] = answer.get("description") or _ANSWERED.get(status, "Done.")
        headers = {"X-Request-ID": REQUEST_ID}
        if method == "get":
            headers["ETag"] = ETAG
        if status in ("201", "202"):
            headers["Location"] = LOCATION
        if "x-idempotent" in operation:
            headers["Idempotency-Replayed"] = REPLAYED
        answer["headers"] = headers
    if method == "get":
        operation["responses"]["304"] = {"$ref": "#/components/responses/Unchanged"}
    for code in _refusals(path, method, operation):
        operation["responses"][code] = {"$ref": f"#/components/responses/Problem{code}"}
    operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    wanted = ["IfNoneMatch"] if method == "get" else []
    if operation.pop("x-idempotent", False):
        wanted.append("IdempotencyKey")
    if operation.pop("x-versioned", False):
        wanted.append("IfMatch")
    given = [{"$ref": f"#/components/parameters/{name}"} for name in wanted]
    if given:
        operation["parameters"] = [*operation.get("parameters", []), *given]


_ANSWERED = {"200": "Done.", "201": "Made.", "202": "Begun.", "204": "Removed."}


def _refusals(path: str, method: str, operation: Json) -> Iterator[str]:
    yield "400"
    yield "401"
    if operation.get("security"):
        yield "403"
    if "{" in path or "vm-contexts" in path or method == "post":
        yield "404"
    if method in WRITES or "vm-contexts" in path:
        yield "409"
    if "x-versioned" in operation:
        yield "412"
    if method in ("post", "put", "patch"):
        yield from ("413", "415")
    if "x-idempotent" in operation:
        yield "422"
    if method in WRITES:
        yield from ("502", "507")
    yield from ("429", "503")


def _close_bodies(result: Json) -> None:
    """Bodies with unknown fields are refused."""
    schemas = result["components"]["schemas"]
    waiting = [
        content["schema"]
        for item in result["paths"].values()
        for operation in item.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    seen: set[str] = set()
    while waiting:
        for name in set(_named(waiting.pop())).difference(seen):
            seen.add(name)
            schemas[name]["additionalProperties"] = False
            waiting.append(schemas[name])


def _loosen_rows(schemas: Json) -> None:
    """With `fields`, a row of a list has only some of its properties."""
    for name in [name for name in schemas if name.endswith("Page")]:
        items = schemas[name]["properties"]["results"]["items"]
        (row,) = _named(items)
        loose = copy.deepcopy(schemas[row])
        loose.pop("required", None)
        words = loose.get("description", "")
        loose["description"] = f"{words}\n\nWith `fields`: those that it names.".strip()
        schemas[f"{row}InList"] = loose
        items["$ref"] = f"#/components/schemas/{row}InList"


def _named(schema: Any) -> Iterator[str]:
    """The components that a schema refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for each in schema.values():
            yield from _named(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _named(each)


def _problem(description: str) -> Json:
    return {
        "description": description,
        "headers": {"X-Request-ID": REQUEST_ID},
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }


PROBLEM: Json = {
    "type": "object",
    "description": "Why a request was refused, as RFC 9457 has it. Some codes carry more.",
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "The page that explains it.",
        },
        "title": {"type": "string", "description": "The code in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, and what to do."},
        "code": {"type": "string", "description": "For programs: it stays the same."},
        "message": {"type": "string", "description": "The same as `detail`."},
        "request_id": {"type": ["string", "null"]},
        "errors": {
            "type": "object",
            "description": "The messages by field.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["type", "title", "status", "detail", "code", "message", "request_id"],
}

HEADERS: Json = {
    "RequestID": {
        "description": "The ID of the request, as in the lines of the log.",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "For `If-None-Match`, and for `If-Match` of a change.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "The address of what was made or begun, if it has one.",
        "schema": {"type": "string", "format": "uri"},
    },
    "IdempotencyReplayed": {
        "description": "`true`: this is the answer to an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}

SIGNED: list[Json] = [
    {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }
    for name, description in [
        ("webhook-id", "Stays the same when a message is sent again."),
        ("webhook-timestamp", "Seconds since 1970."),
        ("webhook-signature", "As standardwebhooks.com has it."),
    ]
]

PARAMETERS: Json = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Sent again within 24 hours with the same key, the same request is not done"
        " again: the first answer is repeated.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The `ETag` that the object must still have.",
        "schema": {"type": "string"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "An `ETag`: 304 without a body if nothing is different.",
        "schema": {"type": "string"},
    },
}

SECURITY: Json = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token ` and a token: `Authorization: Token …`. What stands beside it is"
        " the least scope that the token needs; `x-role` is the least role of its user.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
}
