"""Managed objects and the world that holds them.

A managed object answers property reads (`get`) and serves methods: a Python method with the name
from the WSDL serves that call. Values and their XML are kept until `touch` marks the object as
changed, which also wakes everyone who waits for updates.
"""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pyVmomi import vim, vmodl
from pyVmomi.VmomiSupport import Array, ManagedObject

from vmrep.lab.control.injection import Injection
from vmrep.lab.errors import ControlError
from vmrep.lab.soap import codec
from vmrep.lab.soap.odd_answers import OddAnswers
from vmrep.lab.world.meters import Meters
from vmrep.lab.world.products import PRODUCTS, Product
from vmrep.lab.world.records import Estate
from vmrep.lab.world.state import Store

if TYPE_CHECKING:
    from vmrep.lab.estate.other_backups import OtherBackups
    from vmrep.lab.soap.sessions import Session
    from vmrep.lab.world.events import EventManager
    from vmrep.lab.world.tasks import Tasks

log = logging.getLogger(__name__)

M = TypeVar("M", bound="Managed")


@cache
def check_path(kind: Any, path: str) -> Any:
    """The declared type of a property path. Raises InvalidProperty when there is none."""
    at = kind
    for step in path.split("."):
        try:
            at = at._GetPropertyInfo(step).type
        except AttributeError:
            raise vmodl.query.InvalidProperty(
                name=path, msg=f"{kind.__name__} has no property {path}"
            ) from None
    return at


class Managed:
    """A managed object of the simulated vCenter."""

    type: ClassVar[Any] = None
    volatile: ClassVar[bool] = False  # values depend on more than the object: never kept

    def __init__(self, world: World, moid: str, **values: Any) -> None:
        self.world = world
        self.moid = moid
        self.ref = self.type(moid)
        self.values: dict[str, Any] = values
        self._made: dict[str, Any] = {}
        self._xml: dict[str, str | None] = {}
        world.add(self)

    def value(self, name: str, session: Session | None) -> Any:
        """A property by its vSphere name: made by a `_name` method, or given at the start."""
        maker = getattr(self, f"_{name}", None)
        return maker() if maker is not None else self.values.get(name)

    def get(self, path: str, session: Session | None = None) -> Any:
        """The value of a property path, arrays typed; None when a step is unset.

        Raises InvalidProperty for a path that the type does not have."""
        kind = check_path(self.type, path)
        first, *rest = path.split(".")
        if first not in self._made or self.volatile:
            self._made[first] = self.value(first, session)
        found = self._made[first]
        for step in rest:
            if found is None:
                return None
            found = getattr(found, step)
        # Lists, enumeration values and numbers with their declared type: it goes out with them.
        untyped = isinstance(found, list | str | int | float) and not isinstance(
            found, Array | bool
        )
        return kind(found) if untyped and not isinstance(found, kind) else found

    def xml(self, path: str, session: Session | None = None) -> str | None:
        """A property as `<val>` with its type, or None when it is unset."""
        if path not in self._xml or self.volatile:
            value = self.get(path, session)
            self._xml[path] = None if value is None else codec.any_value("val", value)
        return self._xml[path]

    def touch(self) -> None:
        """Forget made values and wake those who wait for updates."""
        with self.world.changed:
            self._made.clear()
            self._xml.clear()
            self.world.changed.notify_all()

    def Fetch(self, call: Any, session: Session | None) -> Any:
        """pyVmomi's read of one property."""
        return self.get(call.prop, session)


class Entity(Managed):
    """An inventory object: it has a name, a parent, and tasks."""

    def __init__(self, world: World, moid: str, name: str, parent: str | None, **values: Any):
        self.name = name
        self.parent = parent
        self.task_lock = threading.Lock()  # only one task at a time works on an entity
        super().__init__(world, moid, **values)

    def _name(self) -> str:
        return self.name

    def _parent(self) -> Any:
        return self.world.objects[self.parent].ref if self.parent else None

    def _recentTask(self) -> list[Any]:
        return self.world.tasks.recent(self.moid)

    def _overallStatus(self) -> str:
        return "green"

    def _configStatus(self) -> str:
        return "green"

    def _effectiveRole(self) -> list[int]:
        return [-1]

    def ancestors(self) -> Iterator[Entity]:
        """The entities above, nearest first."""
        at = self.parent
        while at is not None:
            entity = self.world.objects[at]
            if not isinstance(entity, Entity):
                return
            yield entity
            at = entity.parent

    def inventory_path(self) -> str:
        """Names from below the root folder, as SearchIndex and `dcPath` write them."""
        names = [self.name, *(a.name for a in self.ancestors() if a.parent is not None)]
        return "/".join(reversed(names))


@dataclass
class Paths:
    """Where things are in the lab's folder."""

    root: Path

    @property
    def datastores(self) -> Path:
        """A folder per datastore, named by its reference."""
        return self.root / "datastores"

    @property
    def journals(self) -> Path:
        """What was written when: a file per layer."""
        return self.root / "journals"

    @property
    def kept(self) -> Path:
        """Contents of snapshots, as raw files."""
        return self.root / "kept"


@dataclass
class World:
    """Everything that exists in the simulated vCenter, under one lock."""

    estate: Estate
    store: Store
    paths: Paths
    injection: Injection = field(default_factory=Injection)
    odd: OddAnswers = field(default_factory=OddAnswers)
    objects: dict[str, Managed] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    denied_privileges: set[str] = field(default_factory=set)
    denied_on: set[tuple[str, str]] = field(default_factory=set)  # (privilege, moref)
    invisible: set[str] = field(default_factory=set)  # entities that no account sees
    descriptors: dict[str, bytes] = field(default_factory=dict)  # served instead of the own ones
    tracking_begins_late: bool = False  # the snapshot at which it begins has no change IDs
    host_clock_ahead: datetime.timedelta = datetime.timedelta(0)  # of the vCenter's
    most_snapshots: dict[str, int] = field(default_factory=dict)  # by datastore; beyond: no room
    meters: Meters = field(default_factory=Meters)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.tasks: Tasks
        self.events: EventManager
        self.other_backups: OtherBackups

    @property
    def product(self) -> Product:
        """What the simulated server is."""
        return PRODUCTS[self.estate.product]

    def add(self, made: Managed) -> None:
        """Add a new object."""
        with self.lock:
            self.objects[made.moid] = made
            if isinstance(made, Entity) and made.parent:
                self.children.setdefault(made.parent, []).append(made.moid)

    def remove(self, gone: Managed) -> None:
        """Forget an object; from now on, calls on it answer ManagedObjectNotFound."""
        with self.changed:
            del self.objects[gone.moid]
            if isinstance(gone, Entity) and gone.parent:
                self.children[gone.parent].remove(gone.moid)
                self.objects[gone.parent].touch()
            self.changed.notify_all()

    def find(self, ref: ManagedObject) -> Managed:
        """The object that a reference means. Raises ManagedObjectNotFound."""
        found = self.objects.get(ref._moId)
        if found is None or not issubclass(found.type, type(ref)):
            raise vmodl.fault.ManagedObjectNotFound(
                obj=ref,
                msg="The object has already been deleted or has not been completely created",
            )
        return found

    def entity(self, ref: ManagedObject) -> Entity:
        """Likewise, for inventory objects. Raises InvalidArgument for other objects."""
        found = self.find(ref)
        if not isinstance(found, Entity):
            raise invalid_argument("entity")
        return found

    def children_of(self, moid: str, kind: Any = vim.ManagedEntity) -> list[Any]:
        """References of the entities of a kind directly below one, in order."""
        below = (self.objects[c] for c in self.children.get(moid, ()))
        return [o.ref for o in below if issubclass(o.type, kind)]

    def new_id(self, kind: str) -> str:
        """A reference that was never used before, not even before a restart."""
        with self.lock:
            count = self.estate.counters.get(kind, 0) + 1
            self.estate.counters[kind] = count
            self.save_estate()
        if kind == "vm":
            return self.product.reference("vm", "", count)
        return f"{kind}-{count}"

    def save_estate(self) -> None:
        """Save the estate's record."""
        with self.lock:
            self.store.put("estate", "estate", vars(self.estate))

    def reparent(self, entity: Entity, parent: str) -> None:
        """Put an entity below another one."""
        with self.changed:
            if entity.parent:
                self.children[entity.parent].remove(entity.moid)
                self.objects[entity.parent].touch()
            entity.parent = parent
            self.children.setdefault(parent, []).append(entity.moid)
            self.objects[parent].touch()

    def of_type(self, kind: type[M]) -> list[M]:
        """All objects of a class, in the order in which they were made."""
        with self.lock:
            return [o for o in self.objects.values() if isinstance(o, kind)]

    def children_by_type(self, kind: Any) -> list[Managed]:
        """All objects of a vSphere type."""
        with self.lock:
            return [o for o in self.objects.values() if issubclass(o.type, kind)]

    def entity_named(self, name: str, kind: Any, what: str = "VM") -> Entity:
        """For the control surface: an entity by name, reference or instance UUID.

        Raises ControlError when there is none, or when several share the name."""
        with self.lock:
            all_of_kind = [
                o
                for o in self.objects.values()
                if isinstance(o, Entity) and issubclass(o.type, kind)
            ]
        found = [o for o in all_of_kind if name in (o.moid, getattr(o, "instance_uuid", None))]
        found = found or [o for o in all_of_kind if o.name == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise ControlError(
                f"{len(found)} {what}s are called {name!r}; use one of: "
                f"{', '.join(o.moid for o in found)}"
            )
        raise ControlError(f"there is no {what} {name!r}", status=404)


def invalid_argument(name: str) -> Any:
    """The fault for an argument that makes no sense."""
    return vmodl.fault.InvalidArgument(
        invalidProperty=name, msg=f"A specified parameter was not correct: {name}"
    )
