"""What the API takes and answers. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import TypedDict

from vmrep.client.generated.models.shared import Delivery


class DeliveryPage(TypedDict):
    """A page of a list."""

    count: int | None
    next: str | None
    previous: str | None
    results: list[Delivery]
