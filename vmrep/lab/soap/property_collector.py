"""The property collector: bulk reads in pages, and waiting for changes.

Answers are assembled from each object's cached XML, so that a large inventory is cheap to read
again, and finding what changed is a comparison of strings.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from vmrep.lab.soap import codec
from vmrep.lab.soap.odd_answers import Gap, gap
from vmrep.lab.world import authorization
from vmrep.lab.world.objects import Managed, World, invalid_argument

if TYPE_CHECKING:
    from vmrep.lab.soap.sessions import Session

PC = vmodl.query.PropertyCollector
DEFAULT_WAIT_SECONDS = 1800
Seen = dict[str, tuple[Any, dict[str, str]]]


def select(world: World, spec: Any, session: Session) -> list[Managed]:
    """The objects that a filter spec selects, each once, in the order they are found."""
    found: dict[str, Managed] = {}
    for start in spec.objectSet:
        named = dict(_named(start.selectSet))
        visited: set[tuple[str, int]] = set()

        def walk(
            ref: Any,
            skip: bool | None,
            selects: Any,
            named: dict[str, Any] = named,
            visited: set[tuple[str, int]] = visited,
        ) -> None:
            at = world.find(ref)
            if not skip:
                found.setdefault(at.moid, at)
            for step in selects or ():
                if not isinstance(step, PC.TraversalSpec):
                    if step.name not in named:
                        raise invalid_argument("selectSet")
                    step = named[step.name]
                # specs may name themselves to recurse: each spec is followed once per object
                if not issubclass(at.type, step.type) or (at.moid, id(step)) in visited:
                    continue
                visited.add((at.moid, id(step)))
                below = at.get(step.path, session)
                for child in below if isinstance(below, list) else [below] if below else []:
                    if child._moId in world.invisible:
                        continue  # passed over without a word, as vCenter does
                    walk(child, step.skip, step.selectSet)

        authorization.check(world, "", start.obj)
        walk(start.obj, start.skip, start.selectSet)
    return list(found.values())


def _named(selects: Any) -> Iterator[tuple[str, Any]]:
    """All traversal specs with a name: others may refer to them before they come."""
    for step in selects or ():
        if isinstance(step, PC.TraversalSpec):
            if step.name:
                yield step.name, step
            yield from _named(step.selectSet)


def values(spec: Any, selected: Managed, session: Session) -> dict[str, str]:
    """The XML of the properties that a filter spec wants of an object; unset ones are left out."""
    found: dict[str, str] = {}
    odd = selected.world.odd.of_object(selected.moid)
    for wanted in spec.propSet:
        if not issubclass(selected.type, wanted.type):
            continue
        names = [p.name for p in selected.type._GetPropertyList()] if wanted.all else wanted.pathSet
        for name in names:
            xml = odd.get(name) or selected.xml(name, session)
            if xml is not None:
                found[name] = xml
    return found


def wanted_types(spec: Any) -> tuple[Any, ...]:
    """The types for which a filter spec wants anything."""
    return tuple(p.type for p in spec.propSet)


def collect(world: World, spec: Any, session: Session) -> Seen:
    """What a filter spec selects, by reference."""
    kinds = wanted_types(spec)
    return {
        o.moid: (o.ref, values(spec, o, session))
        for o in select(world, spec, session)
        if issubclass(o.type, kinds)
    }


def object_content(ref: Any, found: dict[str, str]) -> str:
    """An ObjectContent's inner XML."""
    gaps = {n: v for n, v in found.items() if isinstance(v, Gap)}
    properties = "".join(
        f"<propSet><name>{codec.escape(n)}</name>{v}</propSet>"
        for n, v in found.items()
        if n not in gaps
    )
    missing = "".join(f"<missingSet>{v}</missingSet>" for v in gaps.values())
    return f"{codec.reference('obj', ref)}{properties}{missing}"


@dataclass
class Filter:
    """What a property filter reported under each of its two newest versions.

    Two, because an answer may be lost on its way: the client then asks from the older version."""

    spec: Any
    session: str
    told: dict[int, Seen] = field(default_factory=dict)


class PropertyFilter(Managed):
    """A filter, to be destroyed by its maker."""

    type = PC.Filter

    def __init__(self, world: World, moid: str, collector: PropertyCollector, filter_: Filter):
        self.collector = collector
        self.filter = filter_
        super().__init__(world, moid, spec=filter_.spec, partialUpdates=False)

    def DestroyPropertyFilter(self, call: Any, session: Session) -> None:
        """Forget the filter."""
        self.collector.filters.pop(self.moid, None)
        self.world.remove(self)


class PropertyCollector(Managed):
    """Reads properties of many objects at once and waits for changes."""

    type = PC

    def __init__(self, world: World, moid: str) -> None:
        self.filters: dict[str, PropertyFilter] = {}
        self._version = 0
        self._cancelled = 0
        super().__init__(world, moid)

    def _filter(self) -> list[Any]:
        return [f.ref for f in self.filters.values()]

    # --- reading

    def RetrievePropertiesEx(self, call: Any, session: Session) -> codec.RawXml | None:
        """Properties of the selected objects, the first page of them."""
        limit = call.options.maxObjects if call.options else None
        if limit is not None and limit < 1:
            raise invalid_argument("options.maxObjects")
        contents = self._contents(call, session)
        return self._page(contents, limit, session) if contents else None

    def _contents(self, call: Any, session: Session) -> list[str]:
        with self.world.lock:
            return [
                object_content(ref, self._unless_gone(ref, found))
                for spec in call.specSet
                for ref, found in collect(self.world, spec, session).values()
            ]

    def _unless_gone(self, ref: Any, found: dict[str, str]) -> dict[str, str]:
        """What was found of an object, unless it goes in this moment or fails (`odd_answers`)."""
        if found and (fault := self.world.odd.spoils(ref._moId)):
            raise fault
        whole_call = self.world.odd.takes_away(ref._moId) if found else None
        if whole_call is None:
            return found
        vanishing = self.world.find(ref)
        vanishing.forget()  # type: ignore[attr-defined]  # only VMs vanish
        gone = vmodl.fault.ManagedObjectNotFound(
            obj=ref, msg="The object has already been deleted or has not been completely created"
        )
        if whole_call:
            raise gone
        return {path: Gap(gap(path, "ManagedObjectNotFound", gone.msg)) for path in found}

    def _page(self, contents: list[str], limit: int | None, session: Session) -> codec.RawXml:
        page, rest = (contents[:limit], contents[limit:]) if limit else (contents, [])
        token = ""
        if rest:
            name = str(uuid.uuid4())
            session.pages[name] = rest, limit
            token = f"<token>{name}</token>"
        return codec.RawXml(token + "".join(f"<objects>{c}</objects>" for c in page))

    def ContinueRetrievePropertiesEx(self, call: Any, session: Session) -> codec.RawXml:
        """The next page."""
        if call.token not in session.pages:
            raise invalid_argument("token")
        contents, limit = session.pages.pop(call.token)
        return self._page(contents, limit, session)

    def CancelRetrievePropertiesEx(self, call: Any, session: Session) -> None:
        """Drop the remaining pages."""
        if session.pages.pop(call.token, None) is None:
            raise invalid_argument("token")

    def RetrieveProperties(self, call: Any, session: Session) -> codec.RawXml | None:
        """The same without pages, in the old form."""
        contents = self._contents(call, session)
        return codec.RawXml("</returnval><returnval>".join(contents)) if contents else None

    # --- waiting

    def CreatePropertyCollector(self, call: Any, session: Session) -> Any:
        """A separate collector, whose filters belong to one client."""
        return PropertyCollector(self.world, f"session[{session.key}]{uuid.uuid4()}").ref

    def DestroyPropertyCollector(self, call: Any, session: Session) -> None:
        """Forget a separate collector and its filters."""
        with self.world.changed:
            for owned in list(self.filters.values()):
                self.world.remove(owned)
            self.filters.clear()
            self.world.remove(self)

    def CreateFilter(self, call: Any, session: Session) -> Any:
        """Watch what a filter spec selects."""
        with self.world.changed:
            collect(self.world, call.spec, session)  # its faults belong to this call
            moid = f"session[{session.key}]{uuid.uuid4()}"
            made = PropertyFilter(self.world, moid, self, Filter(call.spec, session.token))
            self.filters[moid] = made
            self.world.changed.notify_all()
        return made.ref

    def CancelWaitForUpdates(self, call: Any, session: Session) -> None:
        """End a running wait with RequestCanceled."""
        with self.world.changed:
            self._cancelled += 1
            self.world.changed.notify_all()

    def WaitForUpdates(self, call: Any, session: Session) -> codec.RawXml | None:
        """Wait without a limit (the old form)."""
        return self._wait(call.version, DEFAULT_WAIT_SECONDS, session)

    def CheckForUpdates(self, call: Any, session: Session) -> codec.RawXml | None:
        """What changed, without waiting."""
        return self._wait(call.version, 0, session)

    def WaitForUpdatesEx(self, call: Any, session: Session) -> codec.RawXml | None:
        """Wait for changes after a version; an empty answer when the time is up."""
        limit = call.options.maxWaitSeconds if call.options else None
        if limit is not None and limit < 0:
            raise invalid_argument("options.maxWaitSeconds")
        seconds = DEFAULT_WAIT_SECONDS if limit is None else min(limit, DEFAULT_WAIT_SECONDS)
        most = call.options.maxObjectUpdates if call.options else None
        if most is not None and most < 1:
            raise invalid_argument("options.maxObjectUpdates")
        return self._wait(call.version, seconds, session, most)

    def _wait(
        self, version: str | None, limit: float, session: Session, most: int | None = None
    ) -> codec.RawXml | None:
        known = self._known_version(version)
        end = time.monotonic() + limit
        with self.world.changed:
            cancelled = self._cancelled
            while not (found := self._updates(known, session, most)):
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self.world.changed.wait(left)
                manager = self.world.objects[self.world.product.session_manager]
                if session.token not in manager.sessions:  # type: ignore[attr-defined]  # it has them
                    raise vim.fault.NotAuthenticated(
                        object=self.ref, privilegeId="System.View", msg="The session has ended."
                    )
                if self._cancelled != cancelled:
                    raise vmodl.fault.RequestCanceled(msg="The wait was cancelled.")
            return codec.RawXml(f"<version>{self._version}</version>{found}")

    def _is_silent(self, moid: str) -> bool:
        """Whether nobody hears of the object's changes (`tasks.LIES`)."""
        return getattr(self.world.objects.get(moid), "lie", "") == "silent"

    def _known_version(self, version: str | None) -> int:
        if not version:
            return 0
        if version.isdecimal() and self._version - 1 <= int(version) <= self._version:
            return int(version)
        raise vmodl.query.InvalidCollectorVersion(msg=f"unknown version {version}")

    def _updates(self, known: int, session: Session, most: int | None) -> str:
        """FilterUpdates after a version, of at most so many objects; the rest comes with the next
        call. Records under a new version what is reported."""
        parts: list[str] = []
        new: dict[str, Seen] = {}
        truncated = False
        for moid, owned in self.filters.items():
            if owned.filter.session != session.token:
                continue
            last = owned.filter.told.get(known, {}) if known else {}
            now = collect_existing(self.world, owned.filter.spec, session)
            updates = [
                (moid, xml)
                for moid, xml in _object_updates(last, now)
                if moid not in last or not self._is_silent(moid)
            ]
            reported = updates if most is None else updates[:most]
            if most is not None:
                most -= len(reported)
            truncated = truncated or len(reported) < len(updates)
            new[moid] = now if len(reported) == len(updates) else _after(last, now, reported)
            objects = "".join(xml for _, xml in reported)
            if objects:
                parts.append(
                    f"<filterSet>{codec.reference('filter', owned.ref)}{objects}</filterSet>"
                )
        if parts:
            self._version += 1
            for moid, now in new.items():
                told = self.filters[moid].filter.told
                self.filters[moid].filter.told = {known: told.get(known, {}), self._version: now}
        return "".join(parts) + ("<truncated>true</truncated>" if truncated else "")


def _after(last: Seen, now: Seen, told: list[tuple[str, str]]) -> Seen:
    """What a client knows that was told of some objects only."""
    known = dict(last)
    for moid, _ in told:
        if moid in now:
            known[moid] = now[moid]
        else:
            known.pop(moid, None)
    return known


def collect_existing(world: World, spec: Any, session: Session) -> Seen:
    """Like `collect`, but an object that is gone selects nothing."""
    try:
        return collect(world, spec, session)
    except vmodl.fault.ManagedObjectNotFound:
        return {}


def _object_updates(last: Seen, now: Seen) -> Iterator[tuple[str, str]]:
    """ObjectUpdates with the references of their objects."""
    for moid, (ref, found) in now.items():
        old = last[moid][1] if moid in last else {}
        changed = [n for n in {**found, **old} if found.get(n) != old.get(n)]
        if changed or moid not in last:
            kind = "modify" if moid in last else "enter"
            changes = "".join(_change(n, found.get(n, "")) for n in changed)
            missing = "".join(
                f"<missingSet>{found[n]}</missingSet>"
                for n in changed
                if isinstance(found.get(n), Gap)
            )
            obj = codec.reference("obj", ref)
            yield moid, f"<objectSet><kind>{kind}</kind>{obj}{changes}{missing}</objectSet>"
    for moid in last:
        if moid not in now:
            obj = codec.reference("obj", last[moid][0])
            yield moid, f"<objectSet><kind>leave</kind>{obj}</objectSet>"


def _change(name: str, value: str) -> str:
    """A PropertyChange; a value that cannot be had is none."""
    if isinstance(value, Gap):
        return ""
    return f"<changeSet><name>{codec.escape(name)}</name><op>assign</op>{value}</changeSet>"
