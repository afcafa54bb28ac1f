"""A virtual disk: its tree of layers, guest reads and writes, and change tracking.

While a snapshot is open, its layer and everything below it are frozen, and guest writes go into
a separate layer, exactly as on an ESXi host. Reading any point of the tree composes the
layers from the root to that point. A removed snapshot's layer is merged with its only child; a
layer with several children stays until they are gone.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from vmrep.lab.disks import sparse
from vmrep.lab.disks.extents import Range, rounded, union
from vmrep.lab.disks.layers import Layer
from vmrep.lab.disks.noise import noise
from vmrep.lab.errors import ControlError
from vmrep.lab.world.records import ChainRecord, DiskDevice, LayerRecord, new_epoch

log = logging.getLogger(__name__)

SECTOR = 512
FILL_CHUNK = 1 << 20


class Disk:
    """The files of one disk. `chain` is the lasting record; the owner saves it after changes.

    `lock` serialises guest I/O with snapshots; the owner takes the locks of all of a VM's disks
    to freeze them at one moment. `state_lock` is the owner's lock for all records."""

    def __init__(
        self,
        chain: ChainRecord,
        datastores: Path,
        journals: Path,
        state_lock: AbstractContextManager[object],
    ) -> None:
        self.chain = chain
        self.lock = threading.RLock()
        # held while the record changes, because others read it; always taken after `lock`
        self._state_lock = state_lock
        self._datastores = datastores
        self._journals = journals
        self._layers: dict[int, Layer] = {}
        self._answered: tuple[tuple[str, str], list[Range]] | None = None

    # --- files

    def path_of(self, layer: LayerRecord) -> Path:
        """Where a layer's data is in the lab's folder."""
        if layer.private is not None:
            return self._journals.parent / layer.private
        return self._datastores / self.chain.datastore / layer.extent

    def object_id(self, layer: LayerRecord) -> str:
        """The layer's identity where disks are objects (vSAN, vVol)."""
        return str(uuid.uuid5(uuid.UUID(self.chain.identity), str(layer.number)))

    def journal_of(self, number: int) -> Path:
        """Where it is noted what was written to a layer, and when."""
        return self._journals / f"{self.chain.identity}-{number:06d}.journal"

    def layer(self, number: int) -> Layer:
        """An open layer."""
        if number not in self._layers:
            path = self.path_of(self.chain.layers[number])
            self._layers[number] = Layer(path, self.journal_of(number))
        return self._layers[number]

    def lineage(self, number: int) -> list[int]:
        """Layer numbers from the root to this layer."""
        found: list[int] = []
        at: int | None = number
        while at is not None:
            found.append(at)
            at = self.chain.layers[at].parent
        return found[::-1]

    def layer_of_snapshot(self, snapshot: str) -> int | None:
        """The layer that a snapshot froze, or None when the disk was not part of it."""
        return next((n for n, x in self.chain.layers.items() if x.snapshot == snapshot), None)

    # --- guest input and output

    def read(self, offset: int, length: int, layer: int | None = None) -> bytearray:
        """The bytes that a guest sees, at the present or at a frozen layer."""
        found = bytearray(length)
        self.read_into(memoryview(found), offset, layer)
        return found

    def read_into(self, view: memoryview, offset: int, layer: int | None = None) -> None:
        """The same, into a buffer that is there already."""
        length = len(view)
        self._check_range(offset, length)
        with self.lock:
            root, *deltas = self.lineage(self._current() if layer is None else layer)
            self.layer(root).read_into(view, offset)
            for number in deltas:
                delta = self.layer(number)
                for start, end in delta.held.within(offset, offset + length):
                    delta.read_into(view[start - offset : end - offset], start)

    def write(self, offset: int, data: bytes) -> None:
        """A guest's write, at any offset: like a guest, this first reads the sectors at the
        edges."""
        self._check_range(offset, len(data))
        with self.lock:
            start = offset // SECTOR * SECTOR
            end = min(-(-(offset + len(data)) // SECTOR) * SECTOR, self.chain.capacity_bytes)
            if (start, end) != (offset, offset + len(data)):
                whole = self.read(start, end - start)
                whole[offset - start : offset - start + len(data)] = data
                data = bytes(whole)
            self.layer(self._current()).write(self.chain.era, start, data)

    def fill(self, offset: int, length: int, seed: int | str) -> None:
        """Write bytes that follow from the seed alone, a mebibyte at a time."""
        self._check_range(offset, length)
        for at in range(offset, offset + length, FILL_CHUNK):
            count = min(FILL_CHUNK, offset + length - at)
            self.write(at, noise(f"{seed}:{at - offset}", count))

    def _current(self) -> int:
        if self.chain.current is None:
            raise ValueError("the disk is no longer attached to its VM")
        return self.chain.current

    def _check_range(self, offset: int, length: int) -> None:
        if offset < 0 or length < 1 or offset + length > self.chain.capacity_bytes:
            raise ValueError(
                f"{length} bytes at offset {offset} are not inside the disk "
                f"of {self.chain.capacity_bytes} bytes"
            )

    def export(self, number: int, target: Path) -> None:
        """Write a layer's composed content into a raw sparse file, which appears only whole."""
        temporary = target.with_suffix(".part")
        temporary.unlink(missing_ok=True)
        with self.lock:
            root, *deltas = self.lineage(number)
            size = self.chain.capacity_bytes
            sparse.copy_file(self.layer(root).data, temporary, size_bytes=size)
            for delta in deltas:
                self.layer(delta).copy_held_to(temporary)
        temporary.rename(target)

    # --- change tracking

    def start_tracking(self) -> None:
        """Begin a new change-tracking epoch: change IDs of earlier epochs become worthless."""
        with self.lock:
            if self.chain.epoch is None:
                self.chain.tracked_from = self.chain.current
            self.chain.epoch = new_epoch()

    def stop_tracking(self) -> None:
        """Change tracking is off from now on: what is written is not recorded for anybody."""
        with self.lock:
            self.chain.epoch, self.chain.tracking_lost = None, False

    def change_id(self, era: int) -> str | None:
        """The change ID of an era, or None while tracking is off."""
        return f"{self.chain.epoch}/{era}" if self.chain.epoch else None

    def changed(self, number: int, after_era: int) -> list[Range]:
        """What was written after an era, up to a layer, in whole tracking blocks."""
        with self.lock:
            ranges = [
                r for n in self.lineage(number) for r in self.layer(n).changed_after(after_era)
            ]
        return rounded(ranges, self.chain.block_bytes, self.chain.capacity_bytes)

    def areas_at(
        self, snapshot: str, change_id: str, find: Callable[[], list[Range]]
    ) -> list[Range]:
        """What `find` finds, kept for the next page: a frozen layer's answer never changes."""
        question = (snapshot, f"{self.chain.epoch} {change_id}")
        answered = self._answered
        if answered is None or answered[0] != question:
            answered = self._answered = question, find()
        return answered[1]

    def allocated(self, number: int) -> list[Range]:
        """The allocated areas up to a layer, in whole tracking blocks.

        Where tracking began on a delta, those below it are left out, as it is with vSphere: it has
        no tracking file for them."""
        if self.chain.whole_when_allocated:
            return [(0, self.chain.capacity_bytes)]
        with self.lock:
            root, *deltas = self.lineage(number)
            # Whether vSphere lists what a linked clone has from its parent is not documented: here
            # it does not.
            is_foreign = self.chain.layers[root].private is not None
            if self.chain.tracked_from in deltas:
                is_foreign, deltas = True, deltas[deltas.index(self.chain.tracked_from) :]
            ranges = [] if is_foreign else union(self.layer(root).allocated())
            for delta in deltas:
                ranges.extend(self.layer(delta).held)
        return rounded(ranges, self.chain.block_bytes, self.chain.capacity_bytes)

    # --- snapshots (the owner saves the record after each)

    def freeze(self, snapshot: str) -> int:
        """Freeze the current layer for a snapshot and begin another. Returns the frozen era."""
        with self.lock, self._state_lock:
            frozen = self.chain.layers[self._current()]
            self._begin_layer(frozen)
            frozen.snapshot = snapshot
            self.chain.era += 1
            return self.chain.era - 1

    def beside(self, chain: ChainRecord) -> Disk:
        """Another disk of the same lab."""
        return Disk(chain, self._datastores, self._journals, self._state_lock)

    def begin_delta(self) -> None:
        """Let the guest write into a delta on the present layer, which belongs to no snapshot."""
        with self.lock, self._state_lock:
            self._begin_layer(self.chain.layers[self._current()])

    def _begin_layer(self, parent: LayerRecord) -> None:
        number = max(self.chain.layers) + 1
        base = self.chain.layers[min(self.chain.layers)].descriptor.removesuffix(".vmdk")
        stem = self.chain.stem or base
        record = LayerRecord(
            number=number,
            descriptor=f"{stem}-{number:06d}.vmdk",
            extent=f"{stem}-{number:06d}-sesparse.vmdk",
            parent=parent.number,
            content_id=f"{random.getrandbits(32):08x}",
        )
        size = self.chain.capacity_bytes
        self._layers[number] = Layer.create(self.path_of(record), self.journal_of(number), size)
        self.chain.layers[number] = record
        self.chain.current = number

    def revert(self, snapshot: str, era: int) -> Callable[[], None]:
        """Discard the current layer and continue from a snapshot's.

        The sequence of change tracking goes back to the snapshot's, under the same epoch: change
        IDs handed out since then look valid but are not. Returns a function that removes the
        discarded files once the record is saved."""
        with self.lock, self._state_lock:
            frozen = self.layer_of_snapshot(snapshot)
            if frozen is None:
                raise ValueError(f"disk {self.chain.key} is not part of {snapshot}")
            discarded = self.chain.current
            self._begin_layer(self.chain.layers[frozen])
            self.chain.era = era + 1
            if discarded is None:
                return lambda: None
            layer = self.layer(discarded)
            del self.chain.layers[discarded], self._layers[discarded]
            return layer.unlink

    def detach(self) -> None:
        """No VM writes here from now on; `collapse` then drops what no snapshot needs."""
        with self.lock, self._state_lock:
            self.chain.current = None

    def release(self, snapshot: str) -> None:
        """The snapshot no longer needs its layer; `collapse` then merges or drops it."""
        with self.lock, self._state_lock:
            number = self.layer_of_snapshot(snapshot)
            if number is not None:
                self.chain.layers[number].snapshot = None

    def collapse(self, save: Callable[[], None]) -> None:
        """Merge or drop all layers that are not needed, saving the record after each.

        Every step can be repeated: a lab that was killed here calls this again when it starts."""
        while (number := next(self._unneeded(), None)) is not None:
            children = [n for n, x in self.chain.layers.items() if x.parent == number]
            with self.lock:
                if children:
                    gone = self._merge(number, children[0])
                else:
                    gone = self.layer(number)
                    with self._state_lock:
                        del self.chain.layers[number], self._layers[number]
                save()
                gone.unlink()
            log.info("disk %s: layer %d merged or dropped", self.chain.key, number)

    def _unneeded(self) -> Iterator[int]:
        for number, record in self.chain.layers.items():
            children = sum(x.parent == number for x in self.chain.layers.values())
            if record.private is not None:
                continue  # another VM's file
            if record.snapshot is None and number != self.chain.current and children < 2:
                yield number

    def _merge(self, number: int, child_number: int) -> Layer:
        """Merge a layer's only child into it. Returns the child's files, to be removed."""
        record, child = self.chain.layers[number], self.chain.layers[child_number]
        gone = self.layer(child_number)
        self.layer(number).absorb(gone)
        with self._state_lock:
            record.snapshot = child.snapshot
            if self.chain.current == child_number:
                self.chain.current = number
            for other in self.chain.layers.values():
                if other.parent == child_number:
                    other.parent = number
            del self.chain.layers[child_number], self._layers[child_number]
        return gone

    @property
    def has_snapshots(self) -> bool:
        """Whether the chain has more than its base."""
        return len(self.chain.layers) > 1

    def extend(self, capacity_bytes: int) -> None:
        """Grow the disk (which must have no snapshots)."""
        with self.lock, self._state_lock:
            self.layer(self._current()).resize(capacity_bytes)
            self.chain.capacity_bytes = capacity_bytes

    def link_into(self, datastore: str, folder: str) -> list[Path]:
        """Link every file into a folder of another datastore, where the disk is from now on.

        Returns the old paths, to be removed once the record is saved."""
        if self.chain.stem is not None:
            raise ControlError("the files of a linked clone cannot be moved in this lab")
        with self.lock, self._state_lock:
            old = [(layer, self.path_of(layer)) for layer in self.chain.layers.values()]
            self.chain.datastore = datastore
            for layer, path in old:
                layer.descriptor = f"{folder}/{layer.descriptor.partition('/')[2]}"
                layer.extent = f"{folder}/{layer.extent.partition('/')[2]}"
                target = self.path_of(layer)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)  # left by a lab that was killed
                os.link(path, target)
            self._layers.clear()
        return [path for _, path in old]

    def unlink(self) -> None:
        """Remove all files of the disk."""
        with self.lock:
            for number in list(self.chain.layers):
                self.layer(number).unlink()


def create_disk(datastores: Path, device: DiskDevice, datastore: str, stem: str) -> ChainRecord:
    """A new disk without content, as files `<stem>.vmdk` in a datastore; the journal is empty."""
    base = LayerRecord(number=0, descriptor=f"{stem}.vmdk", extent=f"{stem}-flat.vmdk", parent=None)
    path = datastores / datastore / base.extent
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(device.capacity_bytes)
    return ChainRecord(
        key=device.key,
        identity=uuid.uuid4().hex,
        datastore=datastore,
        capacity_bytes=device.capacity_bytes,
        layers={0: base},
        current=0,
        whole_when_allocated=device.provisioning == "thick_eager",
    )


def link_disk(source: Disk, number: int, device: DiskDevice, stem: str) -> ChainRecord:
    """A linked clone's disk: a delta of its own on a copy of a layer of another disk."""
    identity = uuid.uuid4().hex
    of_parent = source.chain.layers[number]
    base = LayerRecord(
        number=0,
        descriptor=of_parent.descriptor,
        extent=of_parent.extent,
        parent=None,
        content_id=of_parent.content_id,
        private=f"bases/{identity}.raw",
    )
    chain = ChainRecord(
        key=device.key,
        identity=identity,
        datastore=source.chain.datastore,
        capacity_bytes=device.capacity_bytes,
        layers={0: base},
        current=0,
        block_bytes=source.chain.block_bytes,
        churn_start=source.chain.churn_start,
        stem=stem,
    )
    made = source.beside(chain)
    made.path_of(base).parent.mkdir(exist_ok=True)
    source.export(number, made.path_of(base))
    made.begin_delta()
    return chain
