"""Long lists read whole: each page begins after the last row of the one before it.

A numbered page shifts when a row is added before it, and costs more the further back it is. A
cursor remembers the values that its list is sorted by: nothing is read twice or left out because
other rows came or went, and every page costs the same.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

from django.core import signing
from django.db import connections
from django.db.models import DateTimeField, F, Field, Q, QuerySet, TextField
from django.db.models.expressions import OrderBy
from django.db.models.functions import Cast

_SALT = "vmrep.api.cursor"


class BadCursor(Exception):
    """It was not made by this list, for this query."""


class Key(NamedTuple):
    """A column that the rows are sorted by; unknown values come last."""

    name: str
    falls: bool
    may_be_null: bool
    is_time: bool = False

    @property
    def order(self) -> OrderBy:
        column = F(self.name)
        # Without NULLS LAST where there are none: so an index serves.
        last = True if self.may_be_null else None
        return column.desc(nulls_last=last) if self.falls else column.asc(nulls_last=last)

    def equals(self, value: Any) -> Q:
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})

    def after(self, value: Any) -> Q | None:
        """Rows that come later because of this column; None: none do."""
        if value is None:
            return None
        later = Q(**{f"{self.name}__{'lt' if self.falls else 'gt'}": value})
        return later | Q(**{f"{self.name}__isnull": True}) if self.may_be_null else later


def page_after(
    rows: QuerySet[Any], cursor: str, size: int, query: str
) -> tuple[list[Any], str | None]:
    """The keys of the next `size` rows, and the cursor for those that follow; None: no more do.

    `query` tells one list and its filters from another. An empty cursor begins. Raises BadCursor.
    """
    rows, keys = _keys(rows)
    names = [key.name for key in keys]
    if cursor:
        rows = rows.filter(_after(keys, _read(cursor, query, len(keys))))
    ordered = rows.order_by(*(key.order for key in keys))
    found = list(ordered.values_list(*names)[: size + 1])  # the last of them is the primary key
    here = found[:size]
    more = len(found) > size
    return [row[-1] for row in here], _write(here[-1], query) if more else None


def _keys(rows: QuerySet[Any]) -> tuple[QuerySet[Any], list[Key]]:
    """What the rows are sorted by, and then by their primary key, which no two share."""
    ordering: Any = rows.query.order_by or rows.query.get_meta().ordering
    keys: dict[str, Key] = {}
    for each in ordering:
        name, falls = _name_and_direction(each)
        if name in ("pk", rows.model._meta.pk.name):
            keys["pk"] = Key("pk", falls, False)
            break
        keys.setdefault(name, Key(name, falls, *_nature(rows, name)))
    keys.setdefault("pk", Key("pk", False, False))
    return _as_stored(rows, list(keys.values()))


def _as_stored(rows: QuerySet[Any], keys: list[Key]) -> tuple[QuerySet[Any], list[Key]]:
    """SQLite compares times as texts, and those that its triggers write have fewer digits than
    Django's: only the text that is stored equals itself."""
    if connections[rows.db].vendor != "sqlite":
        return rows, keys
    texts = {f"{key.name}_as_text": key.name for key in keys if key.is_time}
    rows = rows.annotate(**{text: Cast(name, TextField()) for text, name in texts.items()})
    return rows, [key._replace(name=f"{key.name}_as_text") if key.is_time else key for key in keys]


def _name_and_direction(each: Any) -> tuple[str, bool]:
    if isinstance(each, OrderBy):
        column: Any = each.expression
        return str(column.name), bool(each.descending)
    return each.removeprefix("-"), each.startswith("-")


def _nature(rows: QuerySet[Any], name: str) -> tuple[bool, bool]:
    """Of a column of the row, of a related row, or an annotation: whether it may be unknown, and
    whether it is a time."""
    annotation = rows.query.annotations.get(name)
    if annotation is not None:
        return True, isinstance(annotation.output_field, DateTimeField)
    model: Any = rows.model
    may_be_null = False
    for part in name.split("__"):
        field: Any = model._meta.get_field(part)
        may_be_null |= not isinstance(field, Field) or field.null
        model = field.related_model
    return may_be_null, isinstance(field, DateTimeField)


def _after(keys: list[Key], values: list[Any]) -> Q:
    found = Q(pk__in=[])
    same = Q()
    for key, value in zip(keys, values, strict=True):
        later = key.after(value)
        if later is not None:
            found |= same & later
        same &= key.equals(value)
    return found


def _write(values: tuple[Any, ...], query: str) -> str:
    return signing.dumps([_digest(query), *map(_plain, values)], salt=_SALT)


def _read(cursor: str, query: str, count: int) -> list[Any]:
    try:
        digest, *values = signing.loads(cursor, salt=_SALT)
    except signing.BadSignature as problem:
        raise BadCursor from problem
    if digest != _digest(query) or len(values) != count:
        raise BadCursor
    return [_value(each) for each in values]


def _digest(query: str) -> str:
    return blake2b(query.encode(), digest_size=9).hexdigest()


def _plain(value: Any) -> Any:
    """As JSON has it, exactly: Django's own encoder would cut microseconds off."""
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    return str(value) if isinstance(value, UUID | Decimal) else value


def _value(plain: Any) -> Any:
    if isinstance(plain, dict):
        if "time" in plain:
            return datetime.fromisoformat(plain["time"])
        return date.fromisoformat(plain["day"])
    return plain
