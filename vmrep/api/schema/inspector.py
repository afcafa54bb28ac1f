"""How drf-spectacular reads the views: names, words and tags come from addresses and docstrings."""

from __future__ import annotations

import re
from functools import cache
from inspect import cleandoc
from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.permissions import AllowAny

PREFIX = "/api/v1/"
_METHOD = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE): ")


def _objects(*names: str) -> dict[str, Any]:
    properties = {name: {"type": "string"} for name in names}
    return {"type": "array", "items": {"type": "object", "properties": properties}}


JSON_COLUMNS: dict[str, dict[str, Any]] = {
    "ip_addresses": {"type": ["array", "null"], "items": {"type": "string"}},
    "refusals": _objects("code", "reason", "remedy"),
    "notices": _objects("code", "summary", "text"),
    "untold_places": _objects("place", "since"),
    "disks": _objects(),
    "networks": _objects(),
    "config": {"type": "object"},
}
"""What is in the columns of which the database says only that they are JSON."""


class Inspector(AutoSchema):
    """An operation is called by its method and its address's name: `get_vm_context`."""

    def get_operation_id(self) -> str:
        name = names_of_addresses().get(
            self.path, "webhook"
        )  # webhooks have no address of ours, nor an ID
        return f"{self.method.lower()}_{name.replace('-', '_')}"

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix(PREFIX).split("/")[0] or "root"]

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular's
        """What the view's docstring says of this method: after its name, or before all of them."""
        words = " ".join(cleandoc(type(self.view).__doc__ or "").split())
        first, *parts = _METHOD.split(words)
        said = dict(zip(parts[::2], parts[1::2], strict=True))
        text = said.get(self.method, first).strip()
        return text[:1].upper() + text[1:]

    def get_summary(self) -> str:
        """The first sentence, as far as it is one line."""
        first = re.split(r"[.;:(]", self.get_description())[0]
        return first if len(first) <= 80 else first[:79] + "…"

    def _map_serializer_field(self, field: Any, direction: str, *given: Any, **named: Any) -> Any:
        """Columns whose choice may be empty: DRF leaves that out of what is only read."""
        name = str(field.field_name)
        if name in JSON_COLUMNS and isinstance(field, serializers.JSONField):
            return dict(JSON_COLUMNS[name])
        mapped: Any = super()
        found: Any = mapped._map_serializer_field(field, direction, *given, **named)
        if field.read_only and isinstance(field, serializers.ChoiceField) and "enum" in found:
            parent: Any = field.parent
            column = parent.Meta.model._meta.get_field(field.source)
            if column.blank or column.get_default() == "":
                found["enum"] = [*(each for each in found["enum"] if each != ""), ""]
        return found

    def get_auth(self) -> list[dict[str, Any]]:
        if AllowAny in self.view.permission_classes:
            return []
        return [{"token": []}, {"session": []}]

    def get_filter_backends(self) -> list[Any]:
        return []  # `described_list` knows the parameters

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # so does it know the pages


@cache
def names_of_addresses() -> dict[str, str]:
    """The names of the API's addresses."""
    from vmrep.api.urls import urlpatterns

    return {
        PREFIX + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(each.pattern)): str(each.name)
        for each in urlpatterns
        if each.name != "nowhere"
    }
