"""A sample of what change tracking calls unchanged, against digests of the last recovery points.

Tracking can lose writes, and a disk can be rolled back below vSphere, without a trace in any
number. A rollback first takes back what the newest recovery points read, so a few requests of the
sample come from there. The others are chunks from all over the disk, by the maps of its chain: so
many that in a day a set share of what the disk holds is read. A sample without a difference proves
nothing.
"""

from __future__ import annotations

import logging
import random
import threading
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from contextvars import copy_context
from functools import partial

from django.conf import settings

from contexts.text import printable
from replication.engine.chunk_maps import CHUNK_BYTES, digest_of_chunk
from replication.engine.digests import DigestEntry, digest_of
from replication.engine.errors import ImageDamaged
from replication.engine.extents import Extent
from replication.engine.sources.base import Read, Source
from replication.engine.target import Layer, Target
from replication.engine.throttle import Throttle
from replication.models import DiskImage
from replication.selectors.replica import maps_below
from replication.storage.targets import visit
from replication.sync.job_run import DiskPlan, JobRun
from replication.sync.source import open_source

log = logging.getLogger(__name__)

DRAWN = 64  # entries of which some may lie in changed areas
LOOK_EVERY_SECONDS = 1.0
STORAGE_SECONDS = 60.0  # for a few kilobytes of a digest map
MOST_REQUESTS = 8
MOST_BYTES = 16 << 20
LEAST_CHUNKS, MOST_CHUNKS = 4, 4096  # of one job, from all over the disk: 1 MiB to 1 GiB
ZERO_SHARE = 8  # of so many chunks that are drawn, one is of those that the maps call zero
DAY_SECONDS = 86_400.0
MOST_IMAGES = 32  # how far down the chain images that read nothing are passed over


def what_tracking_missed(run: JobRun, plan: DiskPlan) -> str:
    """Why an incremental plan must not be believed; empty when the sample is unchanged."""
    capacity_bytes = plan.source.capacity_bytes or 0
    chosen = _choose(_drawn(run, plan.parent), plan.extents, capacity_bytes)
    chosen += _unchanged(_chunks(run, plan, capacity_bytes), plan.extents)
    if not chosen:
        return ""
    with (
        run.seats.one() as seat,
        ThreadPoolExecutor(1, thread_name_prefix="sample") as pool,
    ):
        source = open_source(run, plan, seat)
        stop = threading.Event()
        run.keep_to_bandwidth()
        work = pool.submit(
            copy_context().run, _first_difference, source, chosen, run.throttle, stop
        )
        try:
            while not wait([work], timeout=LOOK_EVERY_SECONDS).done:
                run.check()
                run.keep_to_bandwidth()
        except BaseException:
            stop.set()
            source.abort()  # however slowly the server answers
            raise
        found = work.result()
    if found is None:
        return ""
    return (
        f"Change tracking is wrong: it does not name a change at byte {found:,}. The VM's storage"
        " was rolled back, or tracking lost writes."
    )


def _first_difference(
    source: Source, entries: list[DigestEntry], throttle: Throttle, stop: threading.Event
) -> int | None:
    """The offset of the first entry whose bytes differ now. Raises SourceError."""
    with closing(source.connect()) as reader:
        for entry in entries:
            buffer = memoryview(bytearray(entry.length))
            throttle.read(reader, [Read(entry.offset, buffer)], stop.is_set)
            if entry.digest not in (digest_of_chunk(buffer), digest_of(buffer)):
                return entry.offset
    return None


def _drawn(run: JobRun, image: DiskImage | None) -> list[DigestEntry]:
    """Entries of the newest image of the chain that holds anything: so its digests are of the
    disk's newest state. What an image holds whose job read nothing is of those that were merged
    with it. Raises DoesNotAnswer."""
    for _ in range(MOST_IMAGES):
        if image is None:
            break
        if image.planned_bytes or image.merged_digest:
            draw = partial(run.storage.sample_digests, of_merged=not image.planned_bytes)
            try:
                return visit(
                    run.job.repository,
                    "sample",
                    partial(draw, image.locator, DRAWN),
                    seconds=STORAGE_SECONDS,
                    on_wait=run.check,
                )
            except ImageDamaged as problem:
                log.warning("no sample of %s: %s", image.locator, printable(str(problem)))
                break
        image = image.parent
    return []


def _chunks(run: JobRun, plan: DiskPlan, capacity_bytes: int) -> list[DigestEntry]:
    """Of all that the disk holds, as its last recovery point has it; nothing where the chain has no
    maps. Raises DoesNotAnswer."""
    parent = plan.parent
    mapped = [] if parent is None else maps_below(parent.disk_id, parent.pk)
    if not mapped or not all(digest for _, digest in mapped):
        return []
    seconds = _seconds_since(run, parent)
    draw = partial(_draw, run.storage, mapped, seconds / DAY_SECONDS, capacity_bytes)
    try:
        return visit(run.job.repository, "sample", draw, seconds=STORAGE_SECONDS, on_wait=run.check)
    except ImageDamaged as problem:
        log.warning("no sample of %s: %s", plan.disk, printable(str(problem)))
        return []


def _seconds_since(run: JobRun, parent: DiskImage | None) -> float:
    if parent is None or parent.recovery_point is None:
        return 0.0
    since = run.taken_snapshot.consistent_at - parent.recovery_point.consistent_at
    return max(0.0, since.total_seconds())


def _draw(
    storage: Target, mapped: Sequence[tuple[Layer, str]], days: float, capacity_bytes: int
) -> list[DigestEntry]:
    layers, digests = zip(*mapped, strict=True)
    with closing(storage.chunk_map(layers, digests)) as known:
        wanted = how_many(known.count, days)
        chosen = dict(known.draw(wanted))
        of_all = -(-capacity_bytes // CHUNK_BYTES)
        for _ in range(wanted // ZERO_SHARE):
            number = random.randrange(of_all)  # noqa: S311  which chunk is no secret
            chosen[number] = known.lookup(number)
    return [
        DigestEntry(at, min(CHUNK_BYTES, capacity_bytes - at), digest)
        for at, digest in ((number * CHUNK_BYTES, digest) for number, digest in chosen.items())
        if at < capacity_bytes
    ]


def how_many(count: int, days: float) -> int:
    """Of so many chunks, for a job so long after the last recovery point."""
    share = settings.SAMPLED_PERCENT_A_DAY / 100 * min(days, 1.0)
    return max(LEAST_CHUNKS, min(MOST_CHUNKS, round(count * share)))


def _unchanged(drawn: list[DigestEntry], changed: list[Extent]) -> list[DigestEntry]:
    """Those that lie outside of the changed areas."""
    starts = [extent.offset for extent in changed]
    return [entry for entry in drawn if not _touches(entry, changed, starts)]


def _touches(entry: DigestEntry, changed: list[Extent], starts: list[int]) -> bool:
    before = bisect_right(starts, entry.offset + entry.length - 1) - 1
    return before >= 0 and changed[before].end > entry.offset


def _choose(
    drawn: list[DigestEntry], changed: list[Extent], capacity_bytes: int
) -> list[DigestEntry]:
    """Some that lie outside of the changed areas. Only a damaged map has an empty one, one above
    MOST_BYTES or one beyond the disk's end."""
    starts = [extent.offset for extent in changed]
    chosen: list[DigestEntry] = []
    for entry in drawn:
        end = entry.offset + entry.length
        if not 0 < entry.length <= MOST_BYTES or end > capacity_bytes:
            continue
        if _touches(entry, changed, starts):
            continue
        total = sum(one.length for one in chosen) + entry.length
        if len(chosen) == MOST_REQUESTS or (chosen and total > MOST_BYTES):
            break
        chosen.append(entry)
    return chosen
