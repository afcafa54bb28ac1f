"""The control surface: HTTP with JSON on a separate local port. Its client is in `client`.

`POST /<verb>` with a JSON object of arguments; the answer is JSON, an error is
`{"error": "…"}` with a status from 400 on. The verbs are in `verbs`.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from vmrep.lab.control.verbs import Verbs
from vmrep.lab.errors import ControlError
from vmrep.lab.soap.service import Service

log = logging.getLogger(__name__)

MOST_REQUEST_BYTES = 256 << 20
KINDS: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list[str]": list,
    "dict[str, Any]": dict,
}


def _checked(verb: Callable[..., Any], arguments: Any) -> dict[str, Any]:
    """The arguments, checked against the verb's signature. Raises ControlError."""
    if not isinstance(arguments, dict):
        raise ControlError("the request's body must be a JSON object")
    signature = inspect.signature(verb)
    unknown = set(arguments) - set(signature.parameters)
    missing = {
        n
        for n, p in signature.parameters.items()
        if p.default is inspect.Parameter.empty and n not in arguments
    }
    if unknown or missing:
        parts = [f"unknown: {', '.join(sorted(unknown))}"] if unknown else []
        parts += [f"missing: {', '.join(sorted(missing))}"] if missing else []
        raise ControlError(f"arguments {'; '.join(parts)}")
    for name, value in arguments.items():
        declared = signature.parameters[name].annotation
        is_bool = isinstance(value, bool)
        if not isinstance(value, KINDS[declared]) or (is_bool and declared != "bool"):
            raise ControlError(f"{name} must be {declared}")
        if declared == "list[str]" and not all(isinstance(it, str) for it in value):
            raise ControlError(f"{name} must be {declared}")
    return arguments


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    verbs: Verbs

    def log_message(self, format: str, *args: Any) -> None:
        """Verbs are logged below."""

    def _reply(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """The verbs that there are."""
        names = [n for n in dir(Verbs) if not n.startswith("_")]
        described = {
            n: f"{inspect.signature(getattr(self.verbs, n))} {inspect.getdoc(getattr(Verbs, n))}"
            for n in names
        }
        self._reply(200, described)

    def do_POST(self) -> None:
        """One verb."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_REQUEST_BYTES:
            self.close_connection = True
            return self._reply(400, {"error": "Content-Length is missing or too large"})
        body = self.rfile.read(int(length))
        name = urlsplit(self.path).path.strip("/")
        try:
            return self._reply(200, self._call(name, body))
        except ControlError as error:
            status, message = error.status, str(error)
        except (ValueError, KeyError) as error:
            status, message = 400, str(error)
        except Exception as error:
            log.exception("control: %s", name)
            status, message = 500, f"the lab failed: {error!r}"
        log.info("control: %s refused: %s", name, message)
        return self._reply(status, {"error": message})

    def _call(self, name: str, body: bytes) -> Any:
        if self.headers.get("Origin"):
            raise ControlError("web pages may not use the control surface", status=403)
        verb = None if name.startswith("_") else getattr(self.verbs, name, None)
        if verb is None:
            raise ControlError(f"there is no {name!r}; GET / lists what there is", status=404)
        try:
            arguments = json.loads(body or b"{}")
        except ValueError as error:
            raise ControlError(f"the request's body is not JSON: {error}") from error
        checked = _checked(verb, arguments)
        log.info("control: %s", name)
        return verb(**checked)


def control_handler(service: Service) -> type[_Handler]:
    """The handler class of one lab's control surface."""
    return type("ControlHandler", (_Handler,), {"verbs": Verbs(service)})
