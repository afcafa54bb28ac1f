"""Control verbs about who may do and see what, about logins, and about whose vCenter this is."""

from __future__ import annotations

import uuid
from typing import Any

from pyVmomi import vim

from vmrep.lab.control.inventory_verbs import UUID, InventoryVerbs
from vmrep.lab.errors import ControlError
from vmrep.lab.world import relocation
from vmrep.lab.world.vm import VirtualMachine


class AccessVerbs(InventoryVerbs):
    """Verbs of `verbs.Verbs`; its text says what they have in common.

    `where` is an inventory object: its name, reference or (VMs) instance UUID."""

    def _entity(self, where: str) -> str:
        return self._world.entity_named(where, vim.ManagedEntity, "object").moid

    def deny_privilege(
        self, privilege: str, on: bool = True, vm: str = "", where: str = ""
    ) -> None:
        """Take a privilege away from everyone, everywhere, on one VM, or on one object and all
        below it, or give it back."""
        if vm or where:
            denied: set[Any] = self._world.denied_on
            what: Any = (privilege, self._vm(vm).moid if vm else self._entity(where))
        else:
            denied, what = self._world.denied_privileges, privilege
        if on:
            denied.add(what)
        else:
            denied.discard(what)

    def hide_object(self, where: str, on: bool = True) -> None:
        """Hide an object from the account, but not what is below it."""
        moid = self._entity(where)
        with self._world.changed:
            if on:
                self._world.invisible.add(moid)
            else:
                self._world.invisible.discard(moid)
            self._world.changed.notify_all()

    # --- logins

    def expire_sessions(self) -> dict[str, int]:
        """End all sessions, as after half an hour of idleness."""
        return {"expired": self._service.sessions.expire_all()}

    def set_password(self, password: str) -> None:
        """Give the account another password. Sessions stay; a lock ends."""
        self._service.sessions.set_password(password)

    def limit_logins(self, sessions: int = 0, lock_after: int = 0) -> None:
        """Limit how many sessions there may be at once (the next login gets HTTP 503), and how many
        wrong passwords in a row lock the account. 0: no limit."""
        if sessions < 0 or lock_after < 0:
            raise ControlError("a limit must not be negative")
        with self._world.lock:
            self._world.estate.session_limit = sessions
            self._world.estate.lock_after_failures = lock_after
            self._world.save_estate()

    def logins(self) -> dict[str, Any]:
        """How many logins were tried since the lab began, how many of them were refused, how many
        sessions there are, and whether the account is locked."""
        return self._service.sessions.statistics()

    # --- whose vCenter this is

    def rebuild_vcenter(
        self, instance_uuid: str = "", new_vm_uuids: bool = False
    ) -> dict[str, str]:
        """Put another vCenter at the same address, with the same VMs registered in it: another
        about.instanceUuid (a new one when it is empty), new references for all VMs, no sessions.
        Their instance UUIDs stay, unless `new_vm_uuids`. A lone host has no such UUID."""
        new = instance_uuid or str(uuid.uuid4())
        if not UUID.fullmatch(new):
            raise ControlError(f"{instance_uuid!r} is not a UUID")
        if not self._world.product.has_instance_uuid:
            raise ControlError("a lone host has no instance UUID")
        with self._world.lock:
            self._world.estate.instance_uuid = new
            self._world.save_estate()
            vms = [o for o in self._world.objects.values() if isinstance(o, VirtualMachine)]
        for vm in vms:
            moref = relocation.register(self._world, relocation.unregister(vm))
            if new_vm_uuids:
                self.set_instance_uuid(moref)
        self._service.sessions.expire_all()
        return {"instance_uuid": new}
