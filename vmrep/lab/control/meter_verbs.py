"""Control verbs that tell what the lab has counted, and one that lets a datastore be full."""

from __future__ import annotations

from pyVmomi import vim

from vmrep.lab.control.inventory_verbs import InventoryVerbs
from vmrep.lab.errors import ControlError
from vmrep.lab.world import snapshots


class MeterVerbs(InventoryVerbs):
    """Kept in memory only."""

    def reset_meters(self) -> None:
        """Forget what was counted; what is there at this moment counts on."""
        snapshots.count(self._world)
        self._world.meters.reset()

    def sessions_at_once(self) -> dict[str, dict[str, int]]:
        """For each host that had any: how many NFC sessions there are `now`, and were at `most`,
        those that it refused included."""
        return self._world.meters.at_once("sessions")

    def snapshots_at_once(self) -> dict[str, dict[str, int]]:
        """For each datastore that had any: how many snapshots have disks there `now`, and had at
        `most`."""
        snapshots.count(self._world)
        return self._world.meters.at_once("snapshots")

    def served(self) -> dict[str, list[int]]:
        """For `folder` and `nfc`, if anybody read over it: the bytes of each second since the last
        reset."""
        return self._world.meters.served()

    def when_taken(self) -> list[dict[str, str]]:
        """The snapshots that were taken since the last reset, those that are removed as well: of
        which `vm`, `snapshot` (its reference), `name`, and `at` which moment by its host's clock.
        """
        return self._world.meters.when_taken()

    def limit_snapshots(self, datastore: str, most: int = -1) -> None:
        """Let a datastore have no room for more snapshots than that (NoDiskSpace); -1: for any
        number."""
        name = self._world.entity_named(datastore, vim.Datastore, "datastore").name
        if most < -1:
            raise ControlError("most is a number of snapshots, or -1")
        with self._world.lock:
            self._world.most_snapshots.pop(name, None)
            if most >= 0:
                self._world.most_snapshots[name] = most
