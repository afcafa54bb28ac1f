"""Privileges: everyone who logs in has all of them, until the control surface denies some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from vmrep.lab.objects import Managed, World

if TYPE_CHECKING:
    from vmrep.lab.sessions import Session

Manager = vim.AuthorizationManager

PRIVILEGES = {
    "ReconfigVM_Task": "VirtualMachine.Config.ChangeTracking",
    "CreateSnapshot_Task": "VirtualMachine.State.CreateSnapshot",
    "CreateSnapshotEx_Task": "VirtualMachine.State.CreateSnapshot",
    "RemoveSnapshot_Task": "VirtualMachine.State.RemoveSnapshot",
    "RemoveAllSnapshots_Task": "VirtualMachine.State.RemoveSnapshot",
    "RevertToSnapshot_Task": "VirtualMachine.State.RevertToSnapshot",
    "RevertToCurrentSnapshot_Task": "VirtualMachine.State.RevertToSnapshot",
    "QueryChangedDiskAreas": "VirtualMachine.Provisioning.DiskRandomRead",
    "PowerOnVM_Task": "VirtualMachine.Interact.PowerOn",
    "PowerOffVM_Task": "VirtualMachine.Interact.PowerOff",
    "ResetVM_Task": "VirtualMachine.Interact.Reset",
    "Destroy_Task": "VirtualMachine.Inventory.Delete",
    "Rename_Task": "VirtualMachine.Config.Rename",
}
BROWSE = "Datastore.Browse"
ALL = sorted(
    {
        *PRIVILEGES.values(),
        BROWSE,
        "Datastore.FileManagement",
        "System.Anonymous",
        "System.Read",
        "System.View",
    }
)


def check(world: World, method: str, ref: Any) -> None:
    """Raises NoPermission when the method needs a privilege that is denied."""
    privilege = PRIVILEGES.get(method)
    if privilege in world.denied_privileges:
        raise vim.fault.NoPermission(
            object=ref,
            privilegeId=privilege,
            msg=f"Permission to perform this operation was denied. Privilege: {privilege}",
        )


class AuthorizationManager(Managed):
    """Tells which privileges the caller has."""

    type = vim.AuthorizationManager

    def _granted(self) -> list[str]:
        return [p for p in ALL if p not in self.world.denied_privileges]

    def FetchUserPrivilegeOnEntities(self, call: Any, session: Session) -> list[Any]:
        """The caller's privileges on each entity."""
        return [
            Manager.UserPrivilegeResult(entity=e, privileges=self._granted())
            for e in (self.world.entity(e).ref for e in call.entities)
        ]

    def HasPrivilegeOnEntities(self, call: Any, session: Session) -> list[Any]:
        """Whether the caller has each privilege on each entity."""
        return [
            Manager.EntityPrivilege(
                entity=e,
                privAvailability=[
                    Manager.PrivilegeAvailability(privId=p, isGranted=p in self._granted())
                    for p in call.privId
                ],
            )
            for e in (self.world.entity(e).ref for e in call.entity)
        ]

    def HasPrivilegeOnEntity(self, call: Any, session: Session) -> list[bool]:
        """Whether the caller has each privilege on one entity."""
        self.world.entity(call.entity)
        return [p in self._granted() for p in call.privId]
