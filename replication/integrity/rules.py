"""The generic check: every row against every rule of the models, and against what it points at.

Each finding names the VM whose rows they are. What is found here needs no separate check, unless
it can be repaired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import (
    BaseConstraint,
    BooleanField,
    CharField,
    CheckConstraint,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    ForeignKey,
    OuterRef,
    Q,
    Subquery,
    UniqueConstraint,
    Value,
)

from contexts.compiled import Prepared
from contexts.constraints import CompositeForeignKey
from contexts.models import VMContext
from replication.integrity.findings import Code, Finding, Scope, SecondLook, check
from replication.models import RecoveryPoint, ReplicationJob

APPS = ("contexts", "replication", "notifications")
EXAMPLES = 5
NAMED_AT_ONCE = 500

ORPHAN_ROW = Code(
    "orphan_row",
    "Restore the missing rows from a backup of the database. A program wrote to the database "
    "without foreign keys (SQLite: every connection needs PRAGMA foreign_keys=ON).",
)
ROW_BREAKS_RULE = Code(
    "row_breaks_rule",
    "Correct the named rows, and find out which program wrote to the database despite its rules.",
)

# Orphans and rules that another check reports, which also knows how to repair them.
_ORPHANS_ELSEWHERE = frozenset({"VMContext.current_job", "VMContext.last_successful_job"})
_RULES_ELSEWHERE = frozenset(
    {
        *(
            "context_current_job_is_active_and_its_own",
            "context_last_success_completed_and_its_own",
        ),
        *("context_replicating_has_a_job", "context_counters_add_up"),
    }
)

_MIXED_UP = (
    "Rows of two VMs are mixed up. Do not fail over either VM to what this row names; correct "
    "the row, and find out who wrote to the database."
)
_NOT_FOR_FAILOVER = (
    "Do not fail over to the recovery points that are named. Replicate the VM now; restore the "
    "rows from a backup of the database if they matter."
)
_REMEDIES = {
    "replication_jobs.vm_context_id": "Restore the VM's row from a backup of the database; the "
    "job's recovery points can be used by hand until then.",
    "job_one_active_per_context": "Two writers could damage a replica. Stop the workers and cancel "
    "all but one of the jobs; vmrep cannot tell which one is right.",
    "disk_key_once_per_context": "The next replication may take the wrong row for the disk. Set "
    "removed_at of the row that is not the VM's disk (compare disk_uuid with the vCenter).",
    "adapter_key_once_per_context": "Set removed_at of the row that is not the VM's adapter.",
    **dict.fromkeys(
        ("disk_id_is_its_key", "adapter_id_is_its_key"),
        "A disk or adapter has the name of another device key. Run discovery again; if the "
        "finding remains, correct the row.",
    ),
    **dict.fromkeys(
        ("point_job_completed", "point_has_an_image_of_each_disk", "image_has_the_one_before_it"),
        _NOT_FOR_FAILOVER,
    ),
    **dict.fromkeys(
        (
            *("cbt_disk_is_of_its_context", "cbt_job_is_of_its_context"),
            *("image_disk_is_of_its_context", "image_job_is_of_its_context"),
            *("image_point_is_of_its_context", "point_job_is_of_its_context"),
            *("snapshot_job_is_of_its_context", "lease_job_is_of_its_context"),
            "event_job_is_of_its_context",
        ),
        _MIXED_UP,
    ),
}
"""What to do about a broken rule or foreign key, if there is more to say than for any other."""


def models() -> Iterable[Any]:
    return [model for label in APPS for model in apps.get_app_config(label).get_models()]


class _Question(NamedTuple):
    """Which rows of a table break a rule, and what is said of them (`{rows}`)."""

    code: Code
    model: Any
    rule: str
    what: str
    rows: Prepared


@check(ORPHAN_ROW, second_look=SecondLook.NONE)
def orphan_row(scope: Scope) -> Iterator[Finding]:
    """Rows whose foreign key points at nothing; one statement for each key of each table."""
    for question in _about_keys():
        yield from _of_each_vm(question, question.rows.each())


@cache
def _about_keys() -> tuple[_Question, ...]:
    return tuple(
        _about_key(model, field)
        for model in models()
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey)
        and f"{model.__name__}.{field.name}" not in _ORPHANS_ELSEWHERE
    )


def _about_key(model: Any, field: Any) -> _Question:
    target = field.related_model._base_manager.filter(
        **{field.target_field.attname: OuterRef(field.attname)}
    )
    rows = model._base_manager.filter(~Exists(target), **{f"{field.attname}__isnull": False})
    what = f"a {field.related_model._meta.verbose_name} in {field.column} that does not exist"
    rule = f"{model._meta.db_table}.{field.column}"
    return _question(ORPHAN_ROW, rows, rule, f"{{rows}} name {what}.")


@check(ROW_BREAKS_RULE, second_look=SecondLook.NONE)
def row_breaks_rule(scope: Scope) -> Iterator[Finding]:
    """Every rule of the models for every row, even if the database has lost the constraint."""
    for question in _about_rows():
        yield from _of_each_vm(question, question.rows.each())
    for group in _about_groups():
        for question in group.repeated():
            yield from _of_each_vm(question, question.rows.each())


@cache
def _about_rows() -> tuple[_Question, ...]:
    return tuple(
        _question(ROW_BREAKS_RULE, rows, rule.name, _BREAKS.format(rule.name))
        for model, rule in _rules()
        if (rows := _breaking(model, rule)) is not None
    )


@cache
def _about_groups() -> tuple[_Groups, ...]:
    return tuple(
        _Groups(model, rule)
        for model, rule in _rules()
        if isinstance(rule, UniqueConstraint) and rule.fields
    )


_BREAKS = "{{rows}} break {}."


def _rules() -> Iterator[tuple[Any, BaseConstraint]]:
    for model in models():
        for rule in model._meta.constraints:
            if rule.name not in _RULES_ELSEWHERE:
                yield model, rule


def _question(code: Code, rows: Any, rule: str, what: str) -> _Question:
    model = rows.model
    told = rows.annotate(its_vm=_vm(model), its_job=_job(model)).order_by("pk")
    found = Prepared(lambda: told.values_list("pk", "its_vm", "its_job"))
    return _Question(code, model, rule, what, found)


def _of_each_vm(question: _Question, rows: Iterable[tuple[Any, ...]]) -> Iterator[Finding]:
    """A finding for each VM that has such rows, and one for rows that belong to no VM."""
    found: dict[str | None, _Rows] = {}
    for pk, vm, job in rows:
        found.setdefault(vm, _Rows()).add(str(pk), job)
    keys = iter(found)
    while vms := list(islice(keys, NAMED_AT_ONCE)):
        names = _names(vms)
        for vm in vms:
            yield question.code.finding(
                f"{question.model._meta.db_table}: {question.what.format(rows=found[vm])}",
                key=f"{question.rule} {vm or ''}",
                context_id=vm,
                vm_name=names.get(vm),
                job_id=found[vm].only_job,
                remedy=_REMEDIES.get(question.rule),
            )


class _Rows:
    """How many rows there are, and the keys of the first ones."""

    def __init__(self) -> None:
        self._count, self._first = 0, list[str]()
        self._jobs: set[str | None] = set()

    def add(self, key: str, job_id: str | None) -> None:
        self._count += 1
        self._first += [key] if self._count <= EXAMPLES else []
        self._jobs |= {job_id} if len(self._jobs) < EXAMPLES else set()

    @property
    def only_job(self) -> str | None:
        return next(iter(self._jobs)) if len(self._jobs) == 1 else None

    def __str__(self) -> str:
        more = ", …" if self._count > EXAMPLES else ""
        said = f"{', '.join(self._first)}{more}"
        return f"{self._count} row{'s' if self._count > 1 else ''} ({said})"


def _vm(model: Any) -> Any:
    """The key of the context that a row belongs to. By no join, as what it names may be missing."""
    names = {field.name for field in model._meta.concrete_fields}
    if model is VMContext or "vm_context" in names:
        return F("pk" if model is VMContext else "vm_context_id")
    for name, through in (("job", ReplicationJob), ("recovery_point", RecoveryPoint)):
        if name in names:
            row = through._base_manager.filter(pk=OuterRef(f"{name}_id"))
            return Subquery(row.values("vm_context_id")[:1])
    return Value(None, output_field=CharField())


def _job(model: Any) -> Any:
    if model is ReplicationJob:
        return F("pk")
    if "job" in {field.name for field in model._meta.concrete_fields}:
        return F("job_id")
    return Value(None, output_field=CharField())


def _names(context_ids: Sequence[str | None]) -> dict[str | None, str | None]:
    """The VMs' names; for a VM whose context is gone, the name that its jobs have."""
    told: dict[str | None, str | None] = {}
    jobs = ReplicationJob.objects.filter(vm_context_id__in=context_ids).order_by("created_at")
    told.update(jobs.values_list("vm_context_id", "source_vm_name"))
    told.update(VMContext.objects.filter(pk__in=context_ids).values_list("pk", "vm_name"))
    return told


def _breaking(model: Any, rule: BaseConstraint) -> Any:
    """The rows that break a rule about each row; None if it is about several rows."""
    rows = model._base_manager.all()
    if isinstance(rule, CheckConstraint):
        # As in SQL, only false breaks a CHECK, not unknown: so NOT, and not exclude().
        return rows.annotate(kept=_kept(rule)).filter(kept=False)
    if isinstance(rule, CompositeForeignKey):
        return _unmatched(rows, model, rule)
    return None


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


class _Groups:
    """The groups of rows of which there may be only one each."""

    def __init__(self, model: Any, rule: UniqueConstraint) -> None:
        self._rule = rule
        self._rows = model._base_manager.filter(rule.condition or Q())
        known = {f"{name}__isnull": False for name in rule.fields}
        groups = self._rows.filter(**known).order_by().values(*rule.fields)
        many = groups.annotate(rows=Count("pk")).filter(rows__gt=1)
        self._found = Prepared(lambda: many.values_list(*rule.fields))

    def repeated(self) -> Iterator[_Question]:
        name = self._rule.name
        for values in self._found.each():
            rows = self._rows.filter(**dict(zip(self._rule.fields, values, strict=True)))
            yield _question(ROW_BREAKS_RULE, rows, name, _BREAKS.format(name))
