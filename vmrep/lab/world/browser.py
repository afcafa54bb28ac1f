"""The datastore browser: what files there are, as listings and not as contents.

A disk is one file there: its descriptor, with the size of its extent. Where the extents are is
`disks.datastore_files`'s.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from vmrep.lab.world.inventory import Datastore
from vmrep.lab.world.objects import Managed, World, invalid_argument
from vmrep.lab.world.vm import VirtualMachine

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session

Browser = vim.host.DatastoreBrowser


class DatastoreBrowser(Managed):
    """Searches one datastore."""

    type = Browser
    volatile = True

    def __init__(self, world: World, moid: str, datastore: Datastore) -> None:
        self.datastore = datastore
        super().__init__(world, moid)

    def _datastore(self) -> list[Any]:
        return [self.datastore.ref]

    def SearchDatastore_Task(self, call: Any, session: Session) -> Any:
        """What is in one folder."""
        folder = self._folder(call.datastorePath)
        return self.world.tasks.start(
            self.datastore,
            "SearchDatastore_Task",
            session,
            lambda: self._listed(folder, call.searchSpec),
        )

    def SearchDatastoreSubFolders_Task(self, call: Any, session: Session) -> Any:
        """What is in a folder and in those below."""
        top = self._folder(call.datastorePath)

        def work() -> Any:
            found = [self._listed(top, call.searchSpec)]
            if not top:
                below = sorted({folder for folder, _ in self._files()})
                found += [self._listed(folder, call.searchSpec) for folder in below]
            return Browser.SearchResults.Array(found)

        return self.world.tasks.start(
            self.datastore, "SearchDatastoreSubFolders_Task", session, work
        )

    def _folder(self, path: str) -> str:
        """The folder in "[datastore] folder"."""
        prefix = f"[{self.datastore.name}]"
        if not path.startswith(prefix):
            raise invalid_argument("datastorePath")
        return path.removeprefix(prefix).strip().strip("/")

    def _files(self) -> Iterator[tuple[str, Any]]:
        """All files, each with its folder."""
        for vm in self.world.of_type(VirtualMachine):
            if vm.record.datastore == self.datastore.moid:
                folder, _, name = vm.record.vmx_path.rpartition("/")
                yield folder, Browser.VmConfigInfo(path=name, fileSize=2048)
            for disk in vm.disks.values():
                for layer in disk.chain.layers.values():
                    if disk.chain.datastore == self.datastore.moid and layer.private is None:
                        folder, _, name = layer.descriptor.rpartition("/")
                        size = disk.path_of(layer).stat().st_blocks * 512
                        yield folder, Browser.VmDiskInfo(path=name, fileSize=size)

    def _listed(self, folder: str, wanted: Any) -> Any:
        files = list(self._files())
        if folder:
            found = [file for where, file in files if where == folder]
        else:
            found = [Browser.FolderInfo(path=p) for p in sorted({where for where, _ in files})]
        if folder and not found:
            path = f"[{self.datastore.name}] {folder}"
            raise vim.fault.FileNotFound(file=path, msg=f"File {path} was not found")
        return Browser.SearchResults(
            datastore=self.datastore.ref,
            folderPath=f"[{self.datastore.name}] {folder}{'/' if folder else ''}",
            file=[file for file in found if _matches(file, wanted)],
        )


def _matches(file: Any, wanted: Any) -> bool:
    """Whether a search asks for the file, by name and by kind."""
    if wanted is None:
        return True
    patterns = [fnmatch.translate(p) for p in wanted.matchPattern]
    if patterns and not any(re.match(p, file.path) for p in patterns):
        return False
    kinds = {_short(query).removesuffix("Query") for query in wanted.query}
    return not kinds or _short(file).removesuffix("Info") in kinds


def _short(made: Any) -> str:
    return type(made).__name__.rpartition(".")[2]
