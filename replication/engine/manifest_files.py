"""The files of manifests in a folder of a repository.

Each version is a file of its own, and the highest one counts: a writer that was paused, and writes
an older one late, changes nothing. The names are hidden ones, which no image has.
"""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

from replication.engine.durable import (
    create_durably,
    fsync_folder,
    name_durably,
    unlink_durably,
)
from replication.engine.errors import ManifestDamaged, RepositoryIsNewer, target_errors
from replication.engine.manifest import (
    MOST_BYTES,
    Head,
    Manifest,
    decode,
    encode,
    file_digest,
)
from replication.engine.regular import open_regular

_NAME = re.compile(r"\.vmrep-manifest-(\d{10,19})(\.[0-9a-f]{32}\.new)?")


class ManifestFiles:
    """Those in one folder, which the caller has found to be in its repository. Every call raises
    TargetError when it fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def version(self) -> int:
        """The highest; 0 without any, or without the folder."""
        return max((version for version, _, is_whole in self._found() if is_whole), default=0)

    def head(self) -> Head:
        """Of the highest, whatever it says."""
        version = self.version()
        return Head(version, self._digest(version) if version else "")

    def read(self, repository: str) -> Manifest | None:
        """The one of the highest version; None without any.

        Raises ManifestDamaged if it is damaged, or another repository's or another version's.
        """
        version = self.version()
        if not version:
            return None
        path = self._path(version)
        with target_errors(f"reading {path}"), open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
        manifest = decode(content, str(path))
        if (manifest.repository, manifest.version) != (repository, version):
            raise ManifestDamaged(
                f"{path} is the manifest {manifest.version} of the repository"
                f" {manifest.repository}: somebody put it there."
            )
        return manifest

    def write(self, manifest: Manifest) -> None:
        """Write it durably beside the others, give it its name, then remove what is older than the
        highest: who was paused may have written another. A crash at any point leaves the former one
        or the new one whole.

        A version that is there already is never replaced: RepositoryIsNewer, unless it is this very
        manifest. No writer is given a version twice, so another vmrep has written it.
        """
        path = self._path(manifest.version)
        new = path.with_name(f"{path.name}.{uuid4().hex}.new")
        with target_errors(f"writing {path}"):
            try:
                content = encode(manifest)
                create_durably(new, content)
                name_durably(new, path)
            except FileExistsError as problem:
                new.unlink(missing_ok=True)
                if self._digest(manifest.version) != file_digest(content):
                    raise RepositoryIsNewer(
                        f"{path} is there already, and another vmrep wrote it, whose database began"
                        " as a copy of this one. Let this one know what is there: stop the other"
                        f" one, then run manage.py restore_repository {self.folder.parent}"
                    ) from problem
            except BaseException:
                new.unlink(missing_ok=True)
                raise
        self._remove_all_but_the_highest(written=manifest.version)

    def remove(self, up_to: int) -> None:
        """Remove those of that version and lower ones, also half-written ones."""
        self._unlink([name for version, name, _ in self._found() if version <= up_to])

    def _remove_all_but_the_highest(self, written: int) -> None:
        found = self._found()
        highest = max((version for version, _, is_whole in found if is_whole), default=0)
        if highest > written:
            with target_errors(f"writing {self._path(highest)}"):
                fsync_folder(self.folder)  # its writer may not have come to it yet
        going = [it for it in found if it[0] < highest or (it[0] == highest and not it[2])]
        self._unlink([name for _, name, _ in going])

    def _unlink(self, names: list[str]) -> None:
        if names:
            with target_errors(f"removing manifests in {self.folder}"):
                unlink_durably(*(self.folder / name for name in names))

    def _digest(self, version: int) -> str:
        path = self._path(version)
        with target_errors(f"reading {path}"), open_regular(path) as file:
            return file_digest(file.read(MOST_BYTES))

    def _path(self, version: int) -> Path:
        return self.folder / f".vmrep-manifest-{version:010}"

    def _found(self) -> list[tuple[int, str, bool]]:
        """Version, name, and whether it is no half-written one."""
        with target_errors(f"looking for manifests in {self.folder}"):
            try:
                names = [path.name for path in self.folder.iterdir()]
            except (FileNotFoundError, NotADirectoryError):
                return []
        found = ((it, _NAME.fullmatch(it)) for it in names)
        return [(int(named[1]), name, not named[2]) for name, named in found if named]
