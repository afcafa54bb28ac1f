"""Views: lists of objects that a client makes once and reads many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from vmrep.lab.world.inventory import (
    ComputeResource,
    Datacenter,
    Folder,
    Host,
    ResourcePool,
    VirtualApp,
)
from vmrep.lab.world.objects import Entity, Managed, invalid_argument

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session


CONTAINERS = (Folder, Datacenter, ComputeResource, ResourcePool, VirtualApp, Host)


class ViewManager(Managed):
    """Makes container views."""

    type = vim.view.ViewManager

    def CreateContainerView(self, call: Any, session: Session) -> Any:
        """A view of what is in a container, of the given types."""
        container = self.world.entity(call.container)
        if not isinstance(container, CONTAINERS):
            raise invalid_argument("container")
        return ContainerView(
            self.world,
            self._new_id(session),
            container=call.container,
            type=list(call.type),
            recursive=call.recursive,
        ).ref

    def CreateListView(self, call: Any, session: Session) -> Any:
        """A view of what is named, of any type; what is unknown is left out."""
        known = [o for o in call.obj if o._moId in self.world.objects]
        return ListView(self.world, self._new_id(session), view=known).ref

    def _new_id(self, session: Session) -> str:
        return f"session[{session.key}]{self.world.new_id('view')}"

    def _viewList(self) -> list[Any]:
        return [v.ref for v in self.world.of_type(View)]


class View(Managed):
    """What its maker forgets when it is no longer needed."""

    volatile = True

    def DestroyView(self, call: Any, session: Session) -> None:
        """Forget the view."""
        self.world.remove(self)


class ListView(View):
    """A list of objects that its maker keeps."""

    type = vim.view.ListView

    def _view(self) -> list[Any]:
        """Those that still exist."""
        return [o for o in self.values["view"] if o._moId in self.world.objects]

    def ModifyListView(self, call: Any, session: Session) -> list[Any]:
        """Add and remove objects. Returns those that do not exist."""
        with self.world.changed:
            left = [o for o in self.values["view"] if o not in call.remove]
            self.values["view"] = [*left, *(o for o in call.add if o not in left)]
            self.touch()
        return [o for o in call.add if o._moId not in self.world.objects]

    def ResetListView(self, call: Any, session: Session) -> list[Any]:
        """Other objects in place of all. Returns those that do not exist."""
        with self.world.changed:
            self.values["view"] = list(call.obj)
            self.touch()
        return [o for o in call.obj if o._moId not in self.world.objects]


class ContainerView(View):
    """A live list of entities."""

    type = vim.view.ContainerView

    def _view(self) -> list[Any]:
        container, recursive = self.values["container"], self.values["recursive"]
        kinds = tuple(self.values["type"]) or (vim.ManagedEntity,)

        def inside(entity: Entity) -> bool:
            if not recursive:
                return entity.parent == container._moId
            return any(a.moid == container._moId for a in entity.ancestors())

        with self.world.lock:
            return [
                o.ref
                for o in self.world.objects.values()
                if isinstance(o, Entity)
                and issubclass(o.type, kinds)
                and o.moid not in self.world.invisible
                and inside(o)
            ]
