"""Request bodies about saved views."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from vmrep.api.bodies import Body, Flag, Text
from vmrep.web.models import ViewPage
from vmrep.web.saved_views import LONGEST_NAME, LONGEST_QUERY


class NewView(Body):
    """`query` is what the page's address says after `?`; what the page does not know is left
    away."""

    page = serializers.ChoiceField(choices=ViewPage.choices)
    name = Text(max_length=LONGEST_NAME)
    query = Text(required=False, allow_blank=True, max_length=LONGEST_QUERY)
    is_shared = Flag(required=False)
    is_default = Flag(required=False)


class ChangedView(NewView):
    """Fields that are not given stay unchanged."""

    page = None  # type: ignore[assignment]  # it cannot be changed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False
