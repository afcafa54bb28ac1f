"""What the operations have in common: how each asks the server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, TypedDict

from vmrep.client.transport import Query, Transport


class Page(TypedDict, total=False):
    """Which part of a list is read: by its `cursor`, or by its number."""

    cursor: str | None
    page: int | None
    page_size: int | None


class Calls:
    """`path` has a `{}` for each of the `values`. What is answered is JSON: each operation says of
    which type. Raises Refused or NotReached."""

    transport: Transport

    def _get(self, path: str, *values: object, query: Query | None = None) -> Any:
        return self.transport.ask("GET", self.transport.address(path, *values), query=query)

    def _rows(self, path: str, *values: object, query: Query) -> Iterator[Any]:
        """Of a whole list."""
        return self.transport.rows(self.transport.address(path, *values), query)

    def _send(
        self,
        method: str,
        path: str,
        *values: object,
        body: object = None,
        if_match: str | None = None,
    ) -> Any:
        """`if_match`: only if the object still has this ETag."""
        address = self.transport.address(path, *values)
        return self.transport.ask(method, address, body=body, if_match=if_match)

    def _once(self, path: str, *values: object, body: object = None, key: str | None) -> Any:
        """A POST that is done once however often it is sent, by its Idempotency-Key."""
        address = self.transport.address(path, *values)
        return self.transport.ask("POST", address, body=body, key=key or str(uuid.uuid4()))
