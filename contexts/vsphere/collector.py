"""Reading properties through vSphere's PropertyCollector: in bulk and in pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from pyVmomi import vim, vmodl
from pyVmomi.VmomiSupport import CheckField

from contexts.vsphere.budget import Bounds
from contexts.vsphere.errors import ObjectGone, VSphereError
from contexts.vsphere.faults import translate
from contexts.vsphere.session import Session

Collector = vmodl.query.PropertyCollector

# VMs per page: more would take more memory at once (`answers.MOST_VALUES`) and hardly be faster.
PAGE_SIZE = 200

# For an object and its surroundings, in however many pages: about 100 KiB is usual.
READING_SECONDS = 300.0
READING_BYTES = 16 << 20

_NOT_UNDERSTOOD = vmodl.fault.NotSupported(
    msg="The value is of a kind that vmrep does not know. Check for a newer vmrep."
)

# Property paths to read, by pyVmomi's class of object.
Paths = Mapping[Any, Iterable[str]]


@dataclass(frozen=True, slots=True)
class Found:
    """One object's properties. `missing` holds what the account may not see, with the fault."""

    ref: Any
    properties: Mapping[str, Any]
    missing: Mapping[str, Any]

    def understood(self, path: str) -> bool:
        """False when the property came, but vmrep cannot understand it."""
        return self.missing.get(path) is not _NOT_UNDERSTOOD

    @property
    def moref(self) -> str:
        """vSphere's reference."""
        return str(self.ref._moId)


class BulkReading:
    """All objects of some kinds in the whole inventory, page by page.

    Iterating yields a list of `Found` per page: a constant number of calls for any number of
    objects. `total` is known from the first page on when it was asked for.

    What a reading depends on (the view, the page token) dies with the login, and a token works only
    once. Until the first page has arrived, everything is simply done again; after that, a lost
    connection or an expired login raises ConnectionLost, and the caller reads again from the start:
    pages that were handed out cannot be taken back.
    """

    def __init__(
        self, session: Session, doing: str, paths: Paths, page_size: int, *, count: bool = False
    ) -> None:
        self.total: int | None = None
        self._session = session
        self._doing = doing
        self._paths = {kind: tuple(names) for kind, names in paths.items()}
        self._page_size = page_size
        self._count = count
        self._view: Any = None
        self._login = 0

    def __iter__(self) -> Iterator[list[Found]]:
        collector = self._session.content.propertyCollector
        try:
            page = self._session.invoke(self._doing, self._first_page)
            while page is not None:
                yield _all_found(page)
                token = page.token
                if not token:
                    return
                page = self._session.invoke(
                    self._doing,
                    partial(collector.ContinueRetrievePropertiesEx, token),
                    repeat=False,
                    login=self._login,
                )
        finally:
            self._destroy_view()

    def _first_page(self) -> Any:
        content = self._session.content
        self._login = self._session.login_number
        self._view = content.viewManager.CreateContainerView(
            content.rootFolder, list(self._paths), True
        )
        if self._count:
            self.total = len(self._view.view)
        walk = Collector.TraversalSpec(
            name="view", type=vim.view.ContainerView, path="view", skip=False
        )
        start = Collector.ObjectSpec(obj=self._view, skip=True, selectSet=[walk])
        return content.propertyCollector.RetrievePropertiesEx(
            [_filter([start], self._paths)], Collector.RetrieveOptions(maxObjects=self._page_size)
        )

    def _destroy_view(self) -> None:
        if self._view is None:
            return
        try:
            self._session.invoke(
                self._doing, self._view.DestroyView, repeat=False, login=self._login, timeout=10
            )
        except VSphereError:
            # It died with its login, or will at logout; what was read is still good.
            return
        finally:
            self._view = None


def read_related(
    session: Session, doing: str, ref: Any, paths: Paths, selects: Iterable[Any] = ()
) -> list[Found]:
    """An object, and what its traversal specs lead to.

    Raises ObjectGone when it is not there; AnswerTooLarge, ConnectionLost when the pages do not end
    within READING_BYTES, READING_SECONDS.
    """
    start = Collector.ObjectSpec(obj=ref, skip=False, selectSet=list(selects))
    collector = session.content.propertyCollector

    def read() -> list[Found]:
        page = collector.RetrievePropertiesEx(
            [_filter([start], paths)], Collector.RetrieveOptions()
        )
        found: list[Found] = []
        while page is not None:
            found += _all_found(page)
            page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
        return found

    bounds = Bounds(READING_SECONDS, READING_BYTES, f"reading of {ref._moId}")
    return session.invoke(doing, read, reading=bounds)


def read_object(session: Session, doing: str, ref: Any, *paths: str) -> Mapping[str, Any]:
    """Some properties of one object; what is unset is not in the answer.

    Raises ObjectGone, and what vSphere says of a property that it refuses (PrivilegeMissing …).
    """
    for found in read_related(session, doing, ref, {type(ref): paths}):
        for fault in found.missing.values():
            raise translate(fault, doing)
        return found.properties
    raise ObjectGone(f"{doing}: {ref._moId} no longer exists.")


def _filter(objects: list[Any], paths: Paths) -> Any:
    return Collector.FilterSpec(
        objectSet=objects,
        propSet=[
            Collector.PropertySpec(type=kind, all=False, pathSet=list(names))
            for kind, names in paths.items()
        ],
    )


def _all_found(page: Any) -> list[Found]:
    """The objects of a page. One without a reference is left out: nothing can be said about it."""
    return [_found(content) for content in page.objects if content.obj is not None]


def _found(content: Any) -> Found:
    """What cannot be understood is missing: it came without a value (see `answers`), or with one
    of a kind other than the API describes."""
    read = {prop.name: prop.val for prop in content.propSet}
    strange = {name for name, value in read.items() if not _fits(content.obj, name, value)}
    return Found(
        ref=content.obj,
        properties={name: value for name, value in read.items() if name not in strange},
        missing=dict.fromkeys(strange, _NOT_UNDERSTOOD)
        | {gap.path: gap.fault for gap in content.missingSet},
    )


def _fits(ref: Any, path: str, value: Any) -> bool:
    kind: Any = type(ref)
    described = _description(kind, path)
    if value is None or described is None:
        return False
    try:
        CheckField(described, value)
    except TypeError:
        return False
    return True


@lru_cache(maxsize=1024)
def _description(kind: Any, path: str) -> Any:
    """pyVmomi's description of a property; None when the kind of object has no such property."""
    described = None
    try:
        for step in path.split("."):
            described = kind._GetPropertyInfo(step)
            kind = described.type
    except AttributeError:
        return None
    return described
