"""The CBT tab: how much changed in each sync of each disk, and where on the disk it falls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from contexts.models import VMContext
from replication.models import CBTHistory
from replication.selectors.telemetry import (
    LAST_SYNCS,
    DiskSyncs,
    ExtentMap,
    syncs_of,
    where_changes_fall,
)
from replication.states import SyncType
from vmrep.web import charts
from vmrep.web.formats import absolute, binary

SHOWN_MAPS = 5  # of single syncs, below the map of all of them together


class SyncBar(NamedTuple):
    bar: charts.Bar
    sync: CBTHistory

    @property
    def words(self) -> str:
        """What the bar shows, for people who point at it."""
        sync = self.sync
        words = [f"{absolute(sync.created_at)}: {binary(sync.bytes_transferred)}", sync.sync_type]
        if self.bar.is_cut:
            words.append("more than the picture shows")
        if not sync.sync_success:
            words.append("not committed")
        return ", ".join(words)


@dataclass(frozen=True)
class MapRow:
    """A strip: the disk from its beginning to its end."""

    runs: list[charts.Run]
    touched: charts.Touched
    sync: ExtentMap | None = None  # None: several together
    ended_at: datetime | None = None


@dataclass(frozen=True)
class DiskChanges:
    disk: Any
    syncs: list[CBTHistory]
    bars: list[SyncBar]
    full_bytes: int
    capacity_bytes: int
    together: MapRow | None
    rows: list[MapRow]

    @property
    def marks(self) -> list[int]:
        """Offsets below the map: beginning, middle, end."""
        return [0, self.capacity_bytes // 2, self.capacity_bytes]


def load(context: VMContext) -> dict[str, Any]:
    return {"changes": [of_disk(each) for each in syncs_of(context)]}


def of_disk(each: DiskSyncs) -> DiskChanges:
    oldest_first = each.syncs[::-1]
    full = _full(each.syncs)
    drawn = charts.bars(
        [sync.bytes_transferred for sync in oldest_first], full=full, slots=LAST_SYNCS
    )
    capacity = each.maps[0].capacity_bytes if each.maps else 0
    changes = where_changes_fall(each.maps)
    ends = {sync.job_id: sync.created_at for sync in each.syncs}
    alike = [one for one in each.maps if one.capacity_bytes == capacity]
    return DiskChanges(
        disk=each.disk,
        syncs=each.syncs,
        bars=[SyncBar(bar, sync) for bar, sync in zip(drawn, oldest_first, strict=True)],
        full_bytes=full,
        capacity_bytes=capacity,
        together=map_row(changes, capacity) if changes else None,
        rows=[
            map_row(one.levels, capacity, one, ends.get(one.job_id)) for one in alike[:SHOWN_MAPS]
        ],
    )


def map_row(
    levels: bytes,
    capacity_bytes: int,
    sync: ExtentMap | None = None,
    ended_at: datetime | None = None,
) -> MapRow:
    return MapRow(charts.runs(levels), charts.touched(levels, capacity_bytes), sync, ended_at)


def _full(syncs: list[CBTHistory]) -> int:
    """What fills the height: the largest incremental sync, because a whole disk would make the
    others invisible; without any, the largest sync."""
    incremental = [
        sync.bytes_transferred for sync in syncs if sync.sync_type == SyncType.INCREMENTAL
    ]
    return max(incremental, default=0) or max(sync.bytes_transferred for sync in syncs) or 1
