"""Checks of the database itself: damage, orphans, rows that break a rule, rules that are gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.core.checks import WARNING, Tags, run_checks
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import (
    BaseConstraint,
    BooleanField,
    CheckConstraint,
    Count,
    Exists,
    ExpressionWrapper,
    ForeignKey,
    Model,
    OuterRef,
    Q,
    UniqueConstraint,
)

from contexts.constraints import ColumnTypes, CompositeForeignKey
from replication.integrity.findings import Code, Finding, Scope, SecondLook, check

APPS = ("contexts", "replication")
EXAMPLES = 5

DATABASE_DAMAGED = Code(
    "database_damaged",
    "Stop vmrep and restore the database from a backup, or correct the named rows.",
)
ORPHAN_ROW = Code(
    "orphan_row",
    "Restore the missing rows from a backup of the database. A program wrote to the database "
    "without foreign keys (SQLite: every connection needs PRAGMA foreign_keys=ON).",
)
ROW_BREAKS_RULE = Code(
    "row_breaks_rule",
    "Correct the named rows, and find out which program wrote to the database despite its rules.",
)
CONSTRAINT_MISSING = Code(
    "constraint_missing",
    "The database no longer enforces this rule. Recreate the constraint as the migrations did; "
    "`manage.py migrate` on an empty database shows how.",
)

SYSTEM_CHECK_FAILED = Code(
    "system_check_failed", "`manage.py check --database default` reports the same, with a hint."
)

# Orphans and rules that another check reports, together with the VM.
_ORPHANS_ELSEWHERE = frozenset(
    {"ReplicationJob.vm_context", "VMContext.current_job", "VMContext.last_successful_job"}
)
_RULES_ELSEWHERE = frozenset(
    {
        *(
            "context_current_job_is_active_and_its_own",
            "context_last_success_completed_and_its_own",
        ),
        *("context_replicating_has_a_job", "context_counters_add_up"),
        *("job_one_active_per_context", "disk_key_once_per_context"),
        *("adapter_key_once_per_context", "cbt_disk_is_of_its_context"),
        *("cbt_job_is_of_its_context", "image_disk_is_of_its_context"),
        *("image_job_is_of_its_context", "image_point_is_of_its_context"),
        *("point_job_is_of_its_context", "snapshot_job_is_of_its_context"),
    }
)


def _models() -> Iterable[Any]:
    return [model for label in APPS for model in apps.get_app_config(label).get_models()]


@check(DATABASE_DAMAGED, second_look=SecondLook.NONE)
def database_damaged(scope: Scope) -> Iterator[Finding]:
    """The database's own checks; on PostgreSQL every rule of the catalogue is checked again."""
    found = _sqlite() if connection.vendor == "sqlite" else _postgresql()
    for line in found:
        yield DATABASE_DAMAGED.finding(line, key=line)


def _sqlite() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        yield from [f"integrity_check: {row[0]}" for row in cursor.fetchall() if row[0] != "ok"]


def _postgresql() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRESQL_RULES)
        for name, table, count in cursor.fetchall():
            cursor.execute(count)
            (violations,) = cursor.fetchone()
            if violations:
                yield f"{table}: {violations} rows violate {name}."


# A row for each CHECK and foreign key that the models do not name (Django makes them from the
# fields): its name, its table, and the query that counts the rows that violate it.
_POSTGRESQL_RULES = """
SELECT conname, conrelid::regclass::text,
       CASE contype
       WHEN 'c' THEN
           format('SELECT count(*) FROM %s WHERE NOT (%s)',
                  conrelid::regclass, pg_get_expr(conbin, conrelid))
       ELSE
           format('SELECT count(*) FROM %s here WHERE %s AND NOT EXISTS'
                  ' (SELECT FROM %s there WHERE %s)',
                  conrelid::regclass,
                  (SELECT string_agg(format('here.%I IS NOT NULL', a.attname), ' AND ')
                     FROM unnest(conkey) AS k
                     JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k),
                  confrelid::regclass,
                  (SELECT string_agg(format('here.%I = there.%I', a.attname, b.attname), ' AND ')
                     FROM unnest(conkey, confkey) AS k(here, there)
                     JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.here
                     JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = k.there))
       END
  FROM pg_constraint
 WHERE contype IN ('c', 'f') AND connamespace = current_schema()::regnamespace
"""


@check(ORPHAN_ROW, second_look=SecondLook.NONE)
def orphan_row(scope: Scope) -> Iterator[Finding]:
    """Rows whose foreign key points at no row; one statement for each key of each table."""
    for model in _models():
        for field in model._meta.concrete_fields:
            name = f"{model.__name__}.{field.name}"
            if isinstance(field, ForeignKey) and name not in _ORPHANS_ELSEWHERE:
                yield from _orphans(model, field)


def _orphans(model: Any, field: Any) -> Iterator[Finding]:
    target = field.related_model._base_manager.filter(
        **{field.target_field.attname: OuterRef(field.attname)}
    )
    rows = model._base_manager.filter(~Exists(target), **{f"{field.attname}__isnull": False})
    if found := _summary(rows):
        yield ORPHAN_ROW.finding(
            f"{model._meta.db_table}: {found} name a {field.related_model._meta.verbose_name} "
            f"in {field.column} that does not exist.",
            key=f"{model._meta.db_table}.{field.column}",
        )


def _summary(rows: Any) -> str:
    """The number of rows and the keys of the first ones; empty for none."""
    keys = [str(key) for key in rows.order_by("pk").values_list("pk", flat=True)[:EXAMPLES]]
    if not keys:
        return ""
    count = len(keys) if len(keys) < EXAMPLES else rows.count()
    more = ", …" if count > len(keys) else ""
    return f"{count} row{'s' if count > 1 else ''} ({', '.join(keys)}{more})"


@check(ROW_BREAKS_RULE, second_look=SecondLook.NONE)
def row_breaks_rule(scope: Scope) -> Iterator[Finding]:
    """Checks every rule of the models on every row, even if the database lost the constraint."""
    for model in _models():
        for rule in model._meta.constraints:
            if rule.name in _RULES_ELSEWHERE:
                continue
            if found := _breaking(model, rule):
                yield ROW_BREAKS_RULE.finding(
                    f"{model._meta.db_table}: {found} break {rule.name}.", key=rule.name
                )


def _breaking(model: Any, rule: BaseConstraint) -> str:
    rows = model._base_manager.all()
    if isinstance(rule, CheckConstraint):
        # As in SQL, only false breaks a CHECK, not unknown: so NOT instead of exclude().
        return _summary(rows.annotate(kept=_kept(rule)).filter(kept=False))
    if isinstance(rule, CompositeForeignKey):
        return _summary(_unmatched(rows, model, rule))
    if isinstance(rule, UniqueConstraint) and rule.fields:
        return _repeated(rows, rule)
    return ""


def _kept(rule: CheckConstraint) -> Any:
    return ExpressionWrapper(Q(rule.condition), output_field=BooleanField())


def _unmatched(rows: Any, model: Any, rule: CompositeForeignKey) -> Any:
    target = next(it for it in apps.get_models() if it._meta.db_table == rule.to_table)
    names = {field.column: field.attname for field in target._meta.concrete_fields}
    here = [model._meta.get_field(name).attname for name in rule.fields]
    there = [names[column] for column in rule.to_columns]
    matching = target._base_manager.filter(
        **{to: OuterRef(name) for to, name in zip(there, here, strict=True)}
    )
    known = {f"{name}__isnull": False for name in here}
    return rows.filter(~Exists(matching), **known)


def _repeated(rows: Any, rule: UniqueConstraint) -> str:
    if rule.condition is not None:
        rows = rows.filter(rule.condition)
    known = {f"{name}__isnull": False for name in rule.fields}
    groups = rows.filter(**known).order_by().values(*rule.fields).annotate(rows=Count("pk"))
    found = list(groups.filter(rows__gt=1)[:EXAMPLES])
    said = "; ".join(
        ", ".join(f"{name} {group[name]}" for name in rule.fields) + f" × {group['rows']}"
        for group in found
    )
    return f"rows with {said}" if found else ""


@check(CONSTRAINT_MISSING, second_look=SecondLook.NONE)
def constraint_missing(scope: Scope) -> Iterator[Finding]:
    """Checks that the database's catalogue has every rule of the models, under its name."""
    for model in _models():
        present = _rules_in_database(model)
        for rule in model._meta.constraints:
            if isinstance(rule, ColumnTypes) and connection.vendor != "sqlite":
                continue  # the columns have their types there
            if rule.name not in present:
                yield CONSTRAINT_MISSING.finding(
                    f"{model._meta.db_table} has no {rule.name} in the database.", key=rule.name
                )


@check(SYSTEM_CHECK_FAILED, second_look=SecondLook.NONE)
def system_check_failed(scope: Scope) -> Iterator[Finding]:
    """What Django's system checks say about the database, for example about triggers."""
    for message in run_checks(tags=[Tags.database], databases=[DEFAULT_DB_ALIAS]):
        if message.is_serious(WARNING):
            yield SYSTEM_CHECK_FAILED.finding(
                f"{message.msg} ({message.id})", key=message.msg, remedy=message.hint
            )


def _rules_in_database(model: type[Model]) -> set[str]:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND convalidated"
                " UNION SELECT indexrelid::regclass::text FROM pg_index"
                " WHERE indrelid = %s::regclass AND indisunique AND indisvalid",
                [table, table],
            )
            return {name.strip('"') for (name,) in cursor.fetchall()}
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL"
            " AND type IN ('table', 'index')",
            [table],
        )
        written = "\n".join(sql for (sql,) in cursor.fetchall())
    # SQLite has no catalogue of constraints: each stands by its name in the table's statement.
    return {rule.name for rule in model._meta.constraints if f'"{rule.name}"' in written}
