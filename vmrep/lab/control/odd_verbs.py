"""Control verbs for unexpected answers about single objects and tasks."""

from __future__ import annotations

import re

from pyVmomi import vim, vmodl

from vmrep.lab.errors import ControlError
from vmrep.lab.soap import codec
from vmrep.lab.soap.service import Service
from vmrep.lab.world.objects import Managed, check_path
from vmrep.lab.world.tasks import LIES


class OddVerbs:
    """Verbs of `control.verbs.Verbs`; its text says what they have in common.

    `entity` is any inventory object, by name, reference or (VMs) instance UUID, or anything else
    by its reference."""

    _service: Service

    def _managed(self, entity: str, path: str) -> Managed:
        world = self._service.world
        found = world.objects.get(entity)
        found = found or world.entity_named(entity, vim.ManagedEntity, "object")
        try:
            check_path(found.type, path)
        except vmodl.query.InvalidProperty as fault:
            raise ControlError(str(fault.msg)) from fault
        return found

    def odd_property(self, entity: str, path: str, xml: str = "") -> None:
        """Answer this XML, unchecked, in place of a property's `<val>`; without it, answer as usual
        again. Control characters are sent as they are, U+DC80 to U+DCFF as the single bytes 80 to
        FF (broken UTF-8); `</propSet><propSet>` makes two properties of one."""
        found = self._managed(entity, path)
        try:
            xml.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise ControlError(f"xml cannot be sent: {error}") from error
        self._service.world.odd.say(found.moid, path, xml)
        found.touch()

    def refuse_property(
        self, entity: str, path: str, fault: str = "NoPermission", message: str = ""
    ) -> None:
        """Answer a fault of any class, known or not, for one property of an object."""
        found = self._managed(entity, path)
        if not re.fullmatch(r"[A-Za-z_][\w.-]*", fault):
            raise ControlError(f"{fault!r} cannot be the name of a class")
        self._service.world.odd.refuse(found.moid, path, fault, message)
        found.touch()

    def vanish_when_read(self, vm: str, whole_call: bool = True) -> None:
        """Remove a VM at the moment when the property collector is about to answer with it: the
        call ends in ManagedObjectNotFound, or (`whole_call` false) each of its properties is
        answered with that fault."""
        found = self._service.world.entity_named(vm, vim.VirtualMachine)
        self._service.world.odd.vanish(found.moid, whole_call=whole_call)

    def spoil_reading(
        self, entity: str, fault: str = "SystemError", message: str = "", about: str = ""
    ) -> None:
        """End each call of the property collector that would tell of an object in a fault. `about`:
        the reference that a ManagedObjectNotFound names, such as a network that is gone."""
        found = self._managed(entity, "name")
        raised = codec.fault_named(fault, message)
        if about:
            if not isinstance(raised, vmodl.fault.ManagedObjectNotFound):
                raise ControlError("only a ManagedObjectNotFound is about another object")
            raised.obj = vim.Network(about)
        self._service.world.odd.spoil(found.moid, raised)

    def lie_about_tasks(self, method: str, lie: str, times: int = 1) -> None:
        """Tell untruly of the next tasks of a method, or not at all: `failed` although the work is
        done, `done` although nothing was, `unnamed`, `silent` (who waits never hears of the end),
        `untold` (no info)."""
        if lie not in LIES or times < 1:
            raise ControlError(f"a lie is one of {', '.join(LIES)}, and times counts from 1")
        self._service.world.tasks.lies[method] = lie, times

    def clear_odd_properties(self) -> None:
        """Forget what the verbs above were told."""
        world = self._service.world
        world.odd.clear()
        world.tasks.lies.clear()
        with world.changed:
            world.changed.notify_all()
