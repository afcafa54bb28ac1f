"""The pages' tables: their columns and how each sorts. Rows are partials of the templates."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import django_tables2 as tables
from django.db.models import F, QuerySet
from django.http import HttpRequest

from contexts.namesakes import Named, named, told_apart
from contexts.vsphere.specs import SPEC_FIELDS, SpecField
from vmrep.paging import KeyedPaginator

PER_PAGE = 50
PAGE_SIZES = (25, 50, 100, 250)
_SPECS = {spec.name: spec for spec in SPEC_FIELDS}
_CELLS = "virtual_machines/table.html"


class Column(tables.Column):
    """Sorts by `by` with unknown values last, whatever the direction and the database.

    `hide` (1 to 4): the smaller, the sooner a narrow table drops the column. `reverse`: for ages,
    where the smallest is the newest. Ties are broken by the key, so that pages do not overlap.
    `sort` replaces `by` for sorting: the same order, but faster. `cell` is the template of its
    cells, if the row's template does not write them itself.
    """

    spec: SpecField | None = None
    is_usual = True

    def __init__(
        self,
        label: str,
        *,
        by: str = "",
        kind: str = "",
        hide: int = 0,
        reverse: bool = False,
        cell: str = "",
        sort: str = "",
    ) -> None:
        super().__init__(verbose_name=label, orderable=bool(by), accessor=by or "pk")
        self._by, self._reverse = sort or by, reverse
        self.cell = cell
        self.css = " ".join(filter(None, (kind, f"hide-{hide}" if hide else "")))

    def order(self, rows: QuerySet[Any], is_descending: bool) -> tuple[QuerySet[Any], bool]:
        column = F(self._by)
        descending = is_descending != self._reverse
        ordered = column.desc(nulls_last=True) if descending else column.asc(nulls_last=True)
        return rows.order_by(ordered, "pk"), True


class SpecColumn(Column):
    """A spec of the VM, shown as its field requires; one of SPEC_FIELDS.

    Only the `usual` ones are in the table until somebody chooses others.
    """

    def __init__(self, name: str, *, hide: int = 0, usual: bool = False) -> None:
        self.spec = _SPECS[name]
        self.is_usual = usual
        is_number = self.spec.kind == "int"
        kind = "number" if is_number else "col-text"
        cell = f"{_CELLS}#cell-{'number' if is_number else 'text'}"
        # A list has no meaningful order.
        by = "" if self.spec.kind == "list" else name
        super().__init__(self.spec.label, by=by, kind=kind, hide=hide, cell=cell)
        self.accessor = name


class Table(tables.Table):
    """Base: sorted and paged by the query string. `row` is the template of one row."""

    row = ""
    per_page = PER_PAGE
    page_sizes = PAGE_SIZES
    count_up_to: int | None = None

    class Meta:
        template_name = "partials/table.html"
        order_by_field = "sort"

    @cached_property
    def shown_columns(self) -> list[tables.columns.BoundColumn]:
        """Its columns but for the hidden ones; found once, and not anew for each row."""
        return list(self.columns)

    @cached_property
    def namesakes(self) -> dict[str, str]:
        """By context ID, what tells VMs of the shown page apart whose names repeat on it."""
        shown = (self.named(record) for record in self.page.object_list.data)
        return told_apart(vm for vm in shown if vm is not None)

    def named(self, record: Any) -> Named | None:
        """The VM of a row, if it has one: `vm_context` with its vCenter."""
        return named(record.vm_context) if record.vm_context else None

    @classmethod
    def for_request(cls, rows: QuerySet[Any], request: HttpRequest, **kwargs: object) -> Table:
        table = cls.unpaged(rows, request, **kwargs)
        table.paginator = KeyedPaginator(
            table.rows, cls.page_size(request), count_up_to=cls.count_up_to
        )
        # A page that does not exist is not an error: there may be fewer rows now.
        table.page = table.paginator.get_page(request.GET.get("page"))
        return table

    @classmethod
    def unpaged(cls, rows: QuerySet[Any], request: HttpRequest, **kwargs: object) -> Table:
        """All rows, sorted as the address says, with the columns that it chooses."""
        table = cls(rows, **kwargs)
        tables.RequestConfig(request, paginate=False).configure(table)
        return table

    @classmethod
    def page_size(cls, request: HttpRequest) -> int:
        """The size that the address asks for, if it is one of those on offer."""
        asked = request.GET.get("page_size")
        return next((size for size in PAGE_SIZES if str(size) == asked), cls.per_page)


class VMTable(Table):
    """`columns=` in the address, repeated, chooses what is shown; the name always is."""

    row = "virtual_machines/table.html#row"

    select = Column("", kind="col-select", cell=f"{_CELLS}#cell-select")
    name = Column("VM", by="vm_name", kind="col-name", cell=f"{_CELLS}#cell-name", sort="sort_name")
    status = Column("Status", by="current_status", kind="col-status", cell=f"{_CELLS}#cell-status")
    rpo = Column("RPO", by="newest_point_at", reverse=True, cell=f"{_CELLS}#cell-rpo")
    last_job = Column(
        "Last job", by="last_job_at", kind="col-wide", hide=4, cell=f"{_CELLS}#cell-last-job"
    )
    next_run = Column(
        "Next run", by="schedule__due_at", kind="col-next", hide=2, cell=f"{_CELLS}#cell-next-run"
    )
    vcenter = Column(
        "vCenter", by="vcenter__name", kind="col-text", hide=2, cell=f"{_CELLS}#cell-vcenter"
    )
    os = SpecColumn("os_type", hide=1, usual=True)
    power = SpecColumn("power_state", hide=2, usual=True)
    size = Column("Size", by="capacity_bytes", kind="number", hide=3, cell=f"{_CELLS}#cell-size")

    @classmethod
    def unpaged(cls, rows: QuerySet[Any], request: HttpRequest, **kwargs: object) -> Table:
        table = super().unpaged(rows, request, **kwargs)
        chosen = cls.chosen(request)
        for name in cls.choosable():
            if name not in chosen:
                table.columns.hide(name)
        table.is_wide = chosen != cls.usual()
        return table

    @property
    def choices(self) -> list[tables.columns.BoundColumn]:
        """What the column menu offers."""
        return [self.columns[name] for name in self.choosable()]

    @classmethod
    def choosable(cls) -> list[str]:
        return [name for name in cls.base_columns if name not in ("select", "name")]

    @classmethod
    def usual(cls) -> list[str]:
        return [name for name in cls.choosable() if cls.base_columns[name].is_usual]

    @classmethod
    def chosen(cls, request: HttpRequest) -> list[str]:
        """The columns other than the name, in the table's order."""
        asked = set(request.GET.getlist("columns"))
        return [name for name in cls.choosable() if name in asked] if asked else cls.usual()


# Every spec of a VM can be a column of its table.
_shown = {column.accessor for column in VMTable.base_columns.values()}
VMTable.base_columns.update(
    {spec.name: SpecColumn(spec.name) for spec in SPEC_FIELDS if spec.name not in _shown}
)


class RemovedVMTable(Table):
    row = "removal/list.html#row"

    name = Column("VM", by="vm_name", kind="col-name")
    vcenter = Column("vCenter", by="vcenter__name", kind="col-text", hide=2)
    removed = Column("Removed", by="unmanaged_at", reverse=True)
    points = Column("Recovery points", by="point_count", kind="number")
    newest = Column("Newest", by="newest_recovery_point_at", reverse=True, hide=3)
    stored = Column("Kept on disk", by="stored_bytes", kind="number", hide=4)

    def named(self, record: Any) -> Named | None:
        return named(record)


class DiscoveredVMTable(Table):
    row = "discovery/vms.html#row"
    per_page = 100

    select = Column("", kind="col-select")
    name = Column("VM", by="vm_name", kind="col-name")
    protection = Column("Protection", kind="col-protection")
    os = Column("Operating system", by="os_type", kind="col-os", hide=3)
    cpu = Column("CPUs", by="cpu_count", kind="number", hide=2)
    memory = Column("Memory", by="memory_mb", kind="number", hide=2)
    disks = Column("Disks", kind="number", hide=4)
    power = Column("Power", by="power_state", hide=3)
    cbt = Column("CBT", by="cbt_now", hide=1)


class JobTable(Table):
    row = "jobs/index.html#row"
    count_up_to = 10_000

    vm = Column("VM", by="source_vm_name", kind="col-name")
    status = Column("Status", by="status")
    type = Column("Type", by="replication_type", hide=3)
    progress = Column("Progress", by="bytes_transferred", kind="col-wide")
    started = Column("Requested", by="created_at", hide=4)
    took = Column("Took", kind="number", hide=2)
    vcenter = Column("vCenter", by="vm_context__vcenter__name", kind="col-text", hide=1)
    requested_by = Column("By", by="requested_by", kind="col-text", hide=1)

    def named(self, record: Any) -> Named | None:
        """By the name that it had then."""
        return named(record.vm_context)._replace(name=record.source_vm_name)


class BulkActionTable(Table):
    row = "bulk/index.html#row"

    what = Column("What", kind="col-name")
    state = Column("State")
    progress = Column("VMs", kind="col-wide")
    asked_by = Column("By", kind="col-text", hide=2)
    when = Column("Asked for", hide=3)


class BulkItemTable(Table):
    row = "bulk/detail.html#row"

    vm = Column("VM", kind="col-name")
    state = Column("State")
    why = Column("Reason", kind="col-reason")


class EventTable(Table):
    row = "events/index.html#row"
    count_up_to = 10_000

    when = Column("When")
    vm = Column("VM", kind="col-name")
    why = Column("What happened", kind="col-wide")
    change = Column("Change", hide=2)
    actor = Column("By", kind="col-text", hide=3)


class AuditTable(Table):
    row = "audit/index.html#row"
    count_up_to = 10_000

    when = Column("When")
    who = Column("By", kind="col-text")
    what = Column("What", kind="col-name")
    values = Column("Before and after", kind="col-wide", hide=2)
    outcome = Column("Outcome", hide=3)


class OccurrenceTable(Table):
    row = "events/occurrences.html#row"
    count_up_to = 10_000

    when = Column("When")
    kind = Column("Kind", kind="col-name")
    what = Column("What happened", kind="col-wide")
