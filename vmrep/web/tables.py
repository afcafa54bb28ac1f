"""The tables of the pages: which columns there are and how each sorts. Rows are templates."""

from __future__ import annotations

import django_tables2 as tables
from django.db.models import F, QuerySet
from django.http import HttpRequest

PER_PAGE = 50


class Column(tables.Column):
    """Sorts by `by` with unknown values last, whatever the direction and the database.

    `hide` (1 to 4): the smaller, the sooner the column leaves a narrow table. `reverse`: for ages,
    where the smallest is the newest. Ties are broken by the key, so that pages do not overlap.
    """

    def __init__(
        self, label: str, *, by: str = "", kind: str = "", hide: int = 0, reverse: bool = False
    ) -> None:
        super().__init__(verbose_name=label, orderable=bool(by), accessor=by or "pk")
        self._by, self._reverse = by, reverse
        self.css = " ".join(filter(None, (kind, f"hide-{hide}" if hide else "")))

    def order(self, rows: QuerySet, is_descending: bool) -> tuple[QuerySet, bool]:
        column = F(self._by)
        descending = is_descending != self._reverse
        ordered = column.desc(nulls_last=True) if descending else column.asc(nulls_last=True)
        return rows.order_by(ordered, "pk"), True


class Table(tables.Table):
    """Base: sorted and paged by the query string. `row` is the template of one row."""

    row = ""
    per_page = PER_PAGE

    class Meta:
        template_name = "partials/table.html"
        order_by_field = "sort"

    @classmethod
    def of(cls, rows: QuerySet, request: HttpRequest, **kwargs: object) -> Table:
        table = cls(rows, **kwargs)
        paginate = {"per_page": cls.per_page, "silent": True}
        tables.RequestConfig(request, paginate=paginate).configure(table)
        return table


class VMTable(Table):
    row = "virtual_machines/row.html"

    name = Column("VM", by="vm_name", kind="col-name")
    status = Column("Status", by="current_status")
    rpo = Column("RPO", by="newest_point_at", reverse=True)
    last_job = Column("Last job", by="last_job_at", kind="col-wide", hide=4)
    vcenter = Column("vCenter", by="vcenter__name", kind="col-text", hide=2)
    os = Column("Operating system", by="os_type", kind="col-text", hide=1)
    power = Column("Power", by="power_state", hide=2)
    size = Column("Size", by="capacity_bytes", kind="number", hide=3)


class DiscoveredVMTable(Table):
    row = "discovery/row.html"
    per_page = 100

    select = Column("")
    name = Column("VM", by="vm_name", kind="col-name")
    protection = Column("Protection", kind="col-reason")
    os = Column("Operating system", by="os_type", kind="col-text", hide=3)
    cpu = Column("CPUs", by="cpu_count", kind="number", hide=2)
    memory = Column("Memory", by="memory_mb", kind="number", hide=2)
    disks = Column("Disks", kind="number", hide=4)
    power = Column("Power", by="power_state", hide=3)
    cbt = Column("CBT", by="cbt_enabled", hide=1)


class JobTable(Table):
    row = "jobs/row.html"

    vm = Column("VM", by="source_vm_name", kind="col-name")
    status = Column("Status", by="status")
    type = Column("Type", by="replication_type", hide=3)
    progress = Column("Progress", by="bytes_transferred", kind="col-wide")
    started = Column("Requested", by="created_at", hide=4)
    took = Column("Took", kind="number", hide=2)
    requested_by = Column("By", by="requested_by", kind="col-text", hide=1)
