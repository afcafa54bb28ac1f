"""Privileges: everyone who logs in has all of them, until the control surface denies some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from vmrep.lab.world.objects import Entity, Managed, World

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session

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
    "NfcGetVmFiles": "VirtualMachine.Provisioning.DiskRandomRead",
    "NfcRandomAccessOpenReadonly": "VirtualMachine.Provisioning.DiskRandomRead",
    "NfcRandomAccessOpenDisk": "VirtualMachine.Provisioning.DiskRandomAccess",
    "PowerOnVM_Task": "VirtualMachine.Interact.PowerOn",
    "PowerOffVM_Task": "VirtualMachine.Interact.PowerOff",
    "ResetVM_Task": "VirtualMachine.Interact.Reset",
    "Destroy_Task": "VirtualMachine.Inventory.Delete",
    "Rename_Task": "VirtualMachine.Config.Rename",
    "CreateContainerView": "System.View",
    "RetrievePropertiesEx": "System.Read",
    "QueryEvents": "System.View",
    "CreateCollectorForEvents": "System.View",
    # Whoever may not look may not ask about other privileges, either.
    "HasPrivilegeOnEntities": "System.View",
    "HasPrivilegeOnEntity": "System.View",
    "FetchUserPrivilegeOnEntities": "System.View",
}
# Files over HTTPS need both.
BROWSE, FILE_MANAGEMENT = "Datastore.Browse", "Datastore.FileManagement"
ALL = sorted(
    {
        *PRIVILEGES.values(),
        BROWSE,
        FILE_MANAGEMENT,
        "System.Anonymous",
        "System.Read",
        "System.View",
    }
)


def check(world: World, method: str, ref: Any) -> None:
    """Raises NoPermission when the method needs a privilege that is denied, or the object is one
    that the account may not see."""
    hidden = str(ref._moId) in world.invisible
    privilege = "System.View" if hidden else PRIVILEGES.get(method)
    if privilege and (hidden or is_denied(world, privilege, str(ref._moId))):
        raise vim.fault.NoPermission(
            object=ref,
            privilegeId=privilege,
            msg=f"Permission to perform this operation was denied. Privilege: {privilege}",
        )


def is_denied(world: World, privilege: str, moref: str) -> bool:
    """Whether the privilege is denied everywhere, on this object, or on one above it."""
    if privilege in world.denied_privileges or (privilege, moref) in world.denied_on:
        return True
    found = world.objects.get(moref)
    above = found.ancestors() if isinstance(found, Entity) else ()
    return any((privilege, entity.moid) in world.denied_on for entity in above)


class AuthorizationManager(Managed):
    """Tells which privileges the caller has."""

    type = vim.AuthorizationManager

    def _granted(self, entity: Any) -> list[str]:
        return [p for p in ALL if not is_denied(self.world, p, str(entity._moId))]

    def FetchUserPrivilegeOnEntities(self, call: Any, session: Session) -> list[Any]:
        """The caller's privileges on each entity."""
        return [
            Manager.UserPrivilegeResult(entity=e, privileges=self._granted(e))
            for e in (self.world.entity(e).ref for e in call.entities)
        ]

    def HasPrivilegeOnEntities(self, call: Any, session: Session) -> list[Any]:
        """Whether the caller has each privilege on each entity."""
        return [
            Manager.EntityPrivilege(
                entity=e,
                privAvailability=[
                    Manager.PrivilegeAvailability(privId=p, isGranted=p in self._granted(e))
                    for p in call.privId
                ],
            )
            for e in (self.world.entity(e).ref for e in call.entity)
        ]

    def HasPrivilegeOnEntity(self, call: Any, session: Session) -> list[bool]:
        """Whether the caller has each privilege on one entity."""
        granted = self._granted(self.world.entity(call.entity).ref)
        return [p in granted for p in call.privId]
