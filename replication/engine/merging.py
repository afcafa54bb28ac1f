"""Removing an image from the middle of a chain: its child is merged into its file.

`qemu-img commit` writes what the child holds into the image's file, which from then on reads as the
child does, while the child's own file still does, too. What was merged is read again. Then the file
is renamed over the child's: whatever is based on the child keeps its header, and the name of the
removed image is gone (decision 0016). Nothing here knows the database: each step can be repeated,
and the files' names and headers tell how far an earlier call came.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from replication.engine import chunk_maps, qemu
from replication.engine.chunk_maps import Mapped
from replication.engine.digests import DigestEntry, DigestMap, read_digests
from replication.engine.durable import fsync_open_file, rename_durably, unlink_durably
from replication.engine.errors import (
    ContentDamaged,
    ImageAltered,
    ImageDamaged,
    ImageMissing,
    TargetError,
    target_errors,
)
from replication.engine.expected import (
    MAP,
    MERGED,
    MERGING,
    MERGING_MAP,
    UNKNOWN,
    Expectation,
    beside,
    entries,
    map_of,
    new_map,
    together,
    trusted_map,
)
from replication.engine.facts import finish, finish_image, finished, let_write
from replication.engine.header import ImageFile, read_image_file
from replication.engine.image import ImageReader
from replication.engine.layers import about, look_at, name_below
from replication.engine.map_making import digest_in
from replication.engine.processes import ProcessIdentity
from replication.engine.regular import is_there
from replication.engine.target import Layer, Merged, ReadConnection, SealedImage
from replication.engine.unfinished import SUFFIX


class Merge:
    """The merge of a chain's first image, the child, into the second.

    ``chain``: the child, the image to be removed, and what that is based on, root last, each as its
    row describes it. ``path`` gives a locator's file; it raises TargetError where none may be.
    """

    def __init__(self, chain: Sequence[Layer], path: Callable[[str], Path]) -> None:
        if len(chain) < 2 or any(layer.locator.endswith(SUFFIX) for layer in chain):
            raise TargetError("Only a finished image that is based on another one can be merged.")
        if chain[0].size_bytes < chain[1].size_bytes:
            raise TargetError(
                f"{chain[0].locator} is a smaller disk than {chain[1].locator}, on which it is "
                "based: vmrep makes no such image, and merging it would lose what is beyond."
            )
        self._child, self._removed, self._below = chain[0], chain[1], list(chain[2:])
        self._path = path
        self._child_path, self._removed_path = path(chain[0].locator), path(chain[1].locator)
        # Under a name that ends with this merge: whoever comes late takes none of the next one's.
        self._expected = beside(self._removed_path, MERGING)

    def check_child(self, digest: str, on_wait: Callable[[float], None]) -> None:
        """Read the child where it has digests: what has rotted in it must not come into the other
        image, which may be the last one that can be used. ImageDamaged, with the child's locator.

        ``digest`` is that of its row: a map that has another one is not used.
        """
        with target_errors(f"reading {self._child_path}"), ExitStack() as opened:
            known = trusted_map(self._child_path, digest)
            if known is None:
                return
            child = self._connected(self._whole_chain(), opened)
            for entry in read_digests(known):
                if entry.digest != UNKNOWN and digest_in(child, entry) != entry.digest:
                    raise self._damaged(self._child, entry)
                on_wait((entry.offset + entry.length) / self._child.size_bytes)

    def expect(self, digests: tuple[str, str]) -> None:
        """Note what the merged image must read as: what the child's digests say, and what those of
        the other image say where nothing of the child's touches it.

        ``digests`` are those that the rows of the two have: a map that has another one is not used.
        """
        self._require_unaltered(self._whole_chain())
        new = new_map(self._removed_path)
        with target_errors(f"writing {self._expected}"):
            child, removed = (
                entries(trusted_map(path, digest), layer.size_bytes)
                for path, digest, layer in (
                    (self._child_path, digests[0], self._child),
                    (self._removed_path, digests[1], self._removed),
                )
            )
            try:
                with DigestMap(new) as expected:
                    for entry in together(child, removed):
                        expected.add(*entry)
                    expected.flush()
                self._require(self._removed_path, self._removed.locator)
                rename_durably(new, self._expected)
            finally:  # whoever comes too late, after another has ended this merge, leaves no file
                new.unlink(missing_ok=True)

    def expect_map(self, digests: tuple[str, str]) -> str:
        """Note the chunk map of the merged image: the child's over that of the other. Returns its
        digest; empty when one of the two has no map, whose ``digests`` are those of the rows.

        ImageDamaged when a map is not the one that was recorded."""
        expected = beside(self._removed_path, MERGING_MAP)
        new = new_map(self._removed_path, MERGING_MAP)
        with target_errors(f"writing {expected}"):
            if not all(digests):
                unlink_durably(expected)
                return ""
            child, removed = (
                Mapped(beside(self._path(layer.locator), MAP), digest, layer.locator)
                for layer, digest in zip((self._child, self._removed), digests, strict=True)
            )
            try:
                digest = chunk_maps.write(
                    new, self._child.size_bytes, chunk_maps.merged(child, removed)
                )
                self._require(self._removed_path, self._removed.locator)
                rename_durably(new, expected)
            finally:  # whoever comes too late, after another has ended this merge, leaves no file
                new.unlink(missing_ok=True)
        return digest

    def run(
        self, on_start: Callable[[ProcessIdentity], None], on_wait: Callable[[float], None]
    ) -> None:
        """Write what the child holds into the file of the image below it, and sync that.

        ImageAltered when a file of the chain is another one afterwards than before.
        """
        self._require(self._expected, self._removed.locator)
        with ExitStack() as held:
            files = [held.enter_context(closing(file)) for file in self._look(self._whole_chain())]
            with target_errors(f"preparing {self._removed_path} for the merge"):
                for path in (self._child_path, self._removed_path):
                    let_write(path)
            qemu.commit([file.path for file in files], on_start=on_start, on_wait=on_wait)
            with target_errors(f"syncing {self._removed_path}"):
                # By the descriptor from before: it also learns of what could not be written while
                # qemu-img had the file open, and of which that heard but did not tell.
                fsync_open_file(files[1].held)
                _forget_cached(files[1])
            for file in files:
                _require_same(file)

    def check(self, on_wait: Callable[[float], None]) -> Merged:
        """Check the merged file's structure, and that it reads as was expected.

        All that the child holds is read, and a sample of the rest. What has no digest is compared
        with the child, byte by byte. ImageDamaged, with the locator.
        """
        self._require_merged()
        with about(self._removed.locator):
            qemu.check(self._removed_path, lambda _: on_wait(0.0))
        with target_errors(f"reading {self._expected}"):
            child = map_of(self._child_path)
            expected = Expectation(self._expected, child, self._child.size_bytes)
            self._compare(expected, on_wait)
            return Merged(expected.bytes_to_compare, expected.bytes_covered, expected.digest)

    def take_name(self) -> SealedImage:
        """Rename the merged file over the child's, and let its header name what it is based on from
        there. Goes on where an earlier call was cut off; the caller has had it checked before."""
        child, removed = self._child_path, self._removed_path
        self._require(child, self._child.locator)
        with target_errors(f"replacing {child}"):
            if not is_there(removed):
                self._require_taken()
            else:
                # A crash may have kept both names, in two folders: then the renaming goes on.
                if not child.samefile(removed):
                    self._require_merged()
                rename_durably(removed, child)
            self._name_what_is_below()
            if self._expected.exists():
                finish(self._expected)
                rename_durably(self._expected, beside(child, MERGED))
            expected_map = beside(removed, MERGING_MAP)
            if expected_map.exists():
                finish(expected_map)
                rename_durably(expected_map, beside(child, MAP))
            self._require_unaltered([self._child, *self._below])
            return finished(child)

    def _merged_chain(self) -> list[Layer]:
        """The image to be removed as it is now, and what it is based on. Once a merge has begun, it
        may have the size of its child; no other size is accepted."""
        with closing(read_image_file(self._existing(self._removed.locator))) as file:
            is_grown = file.header.size_bytes == self._child.size_bytes
        size_bytes = self._child.size_bytes if is_grown else self._removed.size_bytes
        return [self._removed._replace(size_bytes=size_bytes), *self._below]

    def _whole_chain(self) -> list[Layer]:
        return [self._child, *self._merged_chain()]

    def _look(self, chain: Sequence[Layer]) -> list[ImageFile]:
        return look_at(chain, self._existing)

    def _require_unaltered(self, chain: Sequence[Layer]) -> None:
        for file in self._look(chain):
            file.close()

    def _existing(self, locator: str) -> Path:
        path = self._path(locator)
        self._require(path, locator)
        return path

    def _require(self, path: Path, locator: str) -> None:
        with target_errors(f"looking for {path}"):
            is_missing = not is_there(path)
        if is_missing:
            self._path(locator)  # unmounted meanwhile: then nothing is known to be missing
            raise ImageMissing(
                f"{locator} cannot be merged: the file {path} does not exist.", locator=locator
            )

    def _require_merged(self) -> None:
        """As far as headers and names tell; `check` reads the rest."""
        self._require(self._expected, self._removed.locator)
        chain = self._whole_chain()
        self._require_unaltered(chain)
        if chain[1].size_bytes != self._child.size_bytes:
            raise TargetError(f"{self._removed_path} is not merged: it still has its own size.")

    def _require_taken(self) -> None:
        """The file of the image to be removed is gone: it must be under the child's name."""
        if self._backing_of_child() not in self._possible_backings():
            raise ImageMissing(
                f"The file {self._removed_path} is missing, and {self._child_path} is not the file "
                "that it was merged with. Restore it from a backup, or replicate the disk again.",
                locator=self._removed.locator,
            )

    def _backing_of_child(self) -> str | None:
        with closing(read_image_file(self._child_path)) as file:
            backing = file.header.backing
        return None if backing is None else os.path.normpath(backing)

    def _possible_backings(self) -> tuple[str | None, str | None]:
        """What the merged file's header may name: from its own folder, and from the removed
        image's, where it was before."""
        return name_below([self._child, *self._below]), name_below([self._removed, *self._below])

    def _name_what_is_below(self) -> None:
        """Only what comes from another folder has to be told. A header that names something else
        is not touched: others may have gone on, and have removed what this worker remembers."""
        name, before = self._possible_backings()
        if name is not None and name != before and self._backing_of_child() == before:
            let_write(self._child_path)
            qemu.name_backing(self._child_path, name)
        finish_image(self._child_path)

    def _compare(self, expected: Expectation, on_wait: Callable[[float], None]) -> None:
        done = 0
        with ExitStack() as opened:
            merged = self._connected(self._merged_chain(), opened)
            child = self._connected(self._whole_chain(), opened)
            for entry, is_merged in expected.to_compare():
                known = entry.digest != UNKNOWN
                digest = entry.digest if known else digest_in(child, entry)
                if digest_in(merged, entry) != digest:
                    # The child still reads as it did before: if it is wrong, too, it was then.
                    was_wrong = is_merged and digest_in(child, entry) != digest
                    raise self._damaged(self._child if was_wrong else self._removed, entry)
                done += entry.length
                on_wait(done / expected.bytes_to_compare)

    def _damaged(self, layer: Layer, entry: DigestEntry) -> ImageDamaged:
        return ContentDamaged(
            f"{self._path(layer.locator)} is damaged: its {entry.length} bytes at {entry.offset} "
            f"are not those that were copied. {self._child.locator} was not replaced. Check the "
            "storage; a copy of the disk in full begins a chain without this file.",
            locator=layer.locator,
        )

    def _connected(self, chain: Sequence[Layer], opened: ExitStack) -> ReadConnection:
        files = self._look(chain)
        for file in files:
            _forget_cached(file)
        image = opened.enter_context(ImageReader(files))
        return opened.enter_context(closing(image.connect()))


def _forget_cached(file: ImageFile) -> None:
    """What is read of it from now on comes from the storage. Nothing is lost: it was synced."""
    os.posix_fadvise(file.held.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _require_same(file: ImageFile) -> None:
    """Raise ImageAltered unless the file that was looked at still has its name."""
    with target_errors(f"looking whether {file.path} is still the same file"):
        facts = file.path.stat()
    if (facts.st_dev, facts.st_ino) != file.identity:
        raise ImageAltered(
            f"{file.path} was replaced while images were merged. Somebody else writes to this "
            "repository: make sure that only vmrep's account can."
        )
