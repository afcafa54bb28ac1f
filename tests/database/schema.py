"""Everything that a database is made of, to be compared: no order counts that means nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

from tests.database.scratch import Scratch

_BRACKETS = {"(": 1, ")": -1}


def objects(database: Scratch) -> set[str]:
    """A line for each column, constraint, index, trigger, function and sequence."""
    found = _of_sqlite if database.vendor == "sqlite" else _of_postgresql
    return set(found(database))


def _of_sqlite(database: Scratch) -> Iterator[str]:
    with closing(database.connect()) as stranger:
        rows = stranger.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    for kind, name, sql in rows:
        if kind != "table":
            yield f"{kind} {name}: {sql}"
            continue
        head, _, rest = sql.partition("(")
        yield head
        for part in _split(rest.rpartition(")")[0], ", "):
            yield f"{name}: {_checked_in_any_order(part)}"


def _checked_in_any_order(part: str) -> str:
    """A CHECK of each column's type lists the columns in the order that they came in."""
    named = re.fullmatch(r'CONSTRAINT ("\w+_column_types") CHECK \((.*)\)', part)
    if not named:
        return part
    return f"{named[1]} " + " AND ".join(sorted(_split(named[2], " AND ")))


def _split(text: str, separator: str) -> Iterator[str]:
    """At the separators that stand in no brackets and in no quotes."""
    depth, quote, start = 0, "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in _BRACKETS:
            depth += _BRACKETS[character]
        elif depth == 0 and text.startswith(separator, place):
            yield text[start:place]
            start = place + len(separator)
    yield text[start:]


_POSTGRESQL = (
    """
    SELECT 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod),
           attnotnull, pg_get_expr(adbin, adrelid), attidentity, attgenerated, attcollation
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0
    AND NOT attisdropped
""",
    """
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
""",
    """
    SELECT 'index', pg_get_indexdef(indexrelid), indisvalid
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace
""",
    """
    SELECT 'trigger', pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal
""",
    """
    SELECT 'function', pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
""",
    """
    SELECT 'sequence', sequencename, data_type, start_value, increment_by, max_value
    FROM pg_sequences WHERE schemaname = 'public'
""",
)


def _of_postgresql(database: Scratch) -> Iterator[str]:
    with closing(database.connect()) as stranger:
        for query in _POSTGRESQL:
            for row in stranger.execute(query).fetchall():
                yield " ".join(str(value) for value in row)
