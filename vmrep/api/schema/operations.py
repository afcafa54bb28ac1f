"""What a view says of itself for the schema, beside what its code does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import django_filters
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers

from vmrep.api.bodies import Body
from vmrep.api.lists import LARGEST_PAGE_SIZE, PAGE_SIZE, Listing
from vmrep.incoming import LARGEST_NUMBER

Method = TypeVar("Method", bound=Callable[..., Any])
MARKS = ("idempotent", "versioned")  # what a decorator says of a method, for the hook
Shape = type[serializers.BaseSerializer[Any]]


def described(
    answer: Shape | None = None,
    *,
    status: int | Sequence[int] = 200,
    body: type[Body] | None = None,
    parameters: Sequence[OpenApiParameter] = (),
) -> Callable[[Method], Method]:
    """For a method of a view: what it takes, and what it answers. Its words are those of the view's
    docstring after "GET:", "POST:" …"""
    statuses = [status] if isinstance(status, int) else status

    def mark(method: Method) -> Method:
        marks = {f"x-{name}": True for name in MARKS if hasattr(method, f"is_{name}")}
        found: Method = extend_schema(
            request=body,
            responses=dict.fromkeys(statuses, answer),
            parameters=list(parameters),
            extensions=marks,
        )(method)
        return found

    return mark


def described_list(
    listing: Listing, *, or_else: Shape | None = None, parameters: Sequence[OpenApiParameter] = ()
) -> Callable[[Method], Method]:
    """For a method that answers with a list; `or_else`: what it answers to other parameters."""
    return described(page_of(listing, or_else), parameters=[*_parameters(listing), *parameters])


def parameter(name: str, kind: Any = str, description: str = "", **options: Any) -> Any:
    """A parameter of the address."""
    return OpenApiParameter(name, kind, description=description, **options)


def page_of(listing: Listing, or_else: Shape | None = None) -> Any:
    row = listing.serializer
    name = row.__name__.removesuffix("Serializer")
    fields: dict[str, Any] = {
        "count": serializers.IntegerField(
            allow_null=True, help_text="How many there are; null with a cursor."
        ),
        "next": serializers.URLField(allow_null=True, help_text="The next page, or null."),
        "previous": serializers.URLField(allow_null=True, help_text="The page before, or null."),
        "results": row(many=True),
    }
    more = listing.more().fields if listing.more is not None else {}  # type: ignore[attr-defined]
    page = type(f"{name}Page", (serializers.Serializer,), {**more, **fields})
    page.__doc__ = "A page of a list."
    if or_else is None:
        return page
    one: Any = or_else
    return PolymorphicProxySerializer(
        f"{name}PageOrOne", [page, one], resource_type_field_name=None
    )


def _parameters(listing: Listing) -> list[OpenApiParameter]:
    filters = listing.filterset.base_filters if listing.filterset is not None else {}
    return [
        *(_of_filter(name, each) for name, each in filters.items()),
        parameter(
            "ordering",
            _texts(_orders(listing)),
            "What to sort by; -name: the other way.",
            explode=False,
        ),
        parameter(
            "fields",
            _texts(listing.fields),
            "Answer only these fields of each row.",
            explode=False,
        ),
        parameter("page", {"type": "integer", "minimum": 1}, "Which page; without a cursor."),
        parameter(
            "page_size",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": LARGEST_PAGE_SIZE,
                "default": PAGE_SIZE,
            },
            "How many rows a page has.",
        ),
        parameter(
            "cursor",
            {"type": "string", "maxLength": 2000},
            "Empty: begin to read the list whole; then as in `next`.",
        ),
    ]


def _orders(listing: Listing) -> list[str]:
    return [f"{sign}{name}" for name in listing.order_by for sign in ("", "-")]


def _texts(values: list[str]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": {"type": "string", "enum": values}}


def _of_filter(name: str, each: Any) -> OpenApiParameter:
    one = _value_of(each)
    if isinstance(each, django_filters.MultipleChoiceFilter):
        return parameter(name, {"type": "array", "items": one}, each.label or "", explode=True)
    return parameter(name, one, each.label or "")


def _value_of(each: Any) -> dict[str, Any]:
    """The values of a filter; of one of its several."""
    if isinstance(each, django_filters.BooleanFilter):
        return {"type": "boolean"}
    if isinstance(
        each, django_filters.ModelChoiceFilter | django_filters.ModelMultipleChoiceFilter
    ):
        return {"type": "integer", "minimum": 1, "maximum": LARGEST_NUMBER}
    if isinstance(each, django_filters.ChoiceFilter | django_filters.MultipleChoiceFilter):
        return {"type": "string", "enum": [str(value) for value, _ in each.extra["choices"]]}
    if isinstance(each, django_filters.NumberFilter):
        return {"type": "integer", "minimum": 0, "maximum": each.extra["max_value"]}
    return {"type": "string", "minLength": 1, "maxLength": each.extra.get("max_length", 200)}
