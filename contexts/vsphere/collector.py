"""Reading properties through vSphere's PropertyCollector: in bulk and in pages.

The object is the unit: a faulty one does not prevent the others from being read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar
from xml.sax.saxutils import escape, quoteattr

from pyVmomi import vim, vmodl

from contexts.vsphere.budget import Bounds
from contexts.vsphere.errors import (
    AnswerTooLarge,
    ConnectionLost,
    NotVSphere,
    ObjectGone,
    PrivilegeMissing,
    VSphereError,
    VSphereFault,
)
from contexts.vsphere.faults import translate
from contexts.vsphere.pages import Found, Page, read_page
from contexts.vsphere.session import Session

__all__ = [
    "PAGE_SIZE",
    "BulkReading",
    "Collector",
    "Found",
    "Paths",
    "read_object",
    "read_objects",
    "read_related",
]

logger = logging.getLogger(__name__)
T = TypeVar("T")

Collector = vmodl.query.PropertyCollector

# Objects per page: more would be more memory at once (`pages.MOST_TAGS`), and hardly be faster.
PAGE_SIZE = 200

# For an object and its surroundings, in however many pages: about 100 KiB is usual.
READING_SECONDS = 300.0
READING_BYTES = 16 << 20

# Calls that a reading may make beyond one for each page, to find the objects that spoil pages.
MOST_SPARE_CALLS = 400
# So many objects of one page are not odd all at once: the server fails, whoever it is asked for.
MOST_ODD_OF_A_PAGE = 20
# How often an object's surroundings are read again because one of them went meanwhile.
_ATTEMPTS = 4
_MOST_PAGES = 10_000

# Property paths to read, by pyVmomi's class of object.
Paths = Mapping[Any, Iterable[str]]


class BulkReading:
    """All objects of some kinds in the whole inventory, page by page.

    Iterating yields a list of `Found` per page: a constant number of calls for any number of
    objects. `total` is the number of objects that were listed, known from the first page on;
    `most` bounds it.

    First the objects are listed, then their properties are asked for, so many at a time. So a page
    can be asked for again, whatever became of the login or of single objects. An object that
    disappears meanwhile is left out. One that spoils its page is found by asking for parts of it,
    and is delivered with its `problem`.

    Raises ConnectionLost when the connection is lost twice in a row.
    """

    def __init__(
        self,
        session: Session,
        doing: str,
        paths: Paths,
        page_size: int = PAGE_SIZE,
        *,
        most: int | None = None,
    ) -> None:
        self.total: int | None = None
        self._session = session
        self._doing = doing
        self._paths = {kind: tuple(names) for kind, names in paths.items()}
        self._page_size = page_size
        self._most = most
        self._asking = Asking(session, doing)

    def __iter__(self) -> Iterator[list[Found]]:
        for refs in self.pages():
            yield self.read(refs)

    def pages(self) -> Iterator[list[Any]]:
        """The references of all objects, a page at a time."""
        refs = again_if_others_go(self._list)[: self._most]
        self.total = len(refs)
        for begin in range(0, len(refs), self._page_size):
            yield refs[begin : begin + self._page_size]

    def read(self, refs: Sequence[Any], paths: Paths | None = None) -> list[Found]:
        """The properties of some of the objects; without `paths` all that are wanted."""
        return self._asking.read(refs, paths or self._paths)

    def _list(self) -> list[Any]:
        """All objects in a view that is made for it: asked for no property, the collector answers
        with references alone."""
        views: list[tuple[Any, int]] = []

        def ask() -> Page:
            content = self._session.content
            view = content.viewManager.CreateContainerView(
                content.rootFolder, list(self._paths), True
            )
            views.append((view, self._session.login_number))
            walk = Collector.TraversalSpec(
                name="view", type=vim.view.ContainerView, path="view", skip=False
            )
            start = Collector.ObjectSpec(obj=view, skip=True, selectSet=[walk])
            return _all_pages(self._session, [start], dict.fromkeys(self._paths, ()))

        try:
            page = self._session.invoke(self._doing, ask)
        finally:
            self._destroy(views)
        if page.lost:
            logger.warning("%s: %d objects have no reference", self._doing, page.lost)
        wanted = (one.ref for one in page.objects if _concerns(type(one.ref), self._paths))
        return list({_key(ref): ref for ref in wanted}.values())

    def _destroy(self, views: list[tuple[Any, int]]) -> None:
        for view, login in views:
            try:
                self._session.invoke(
                    self._doing, view.DestroyView, repeat=False, login=login, timeout=10
                )
            except VSphereError as error:
                # It died with its login, or will at logout; what was listed is not worse for it.
                logger.info("%s: the view stays: %s", self._doing, error)


class Asking:
    """Asks for the properties of given objects, and finds out which of them cannot be read.

    `bounds`: of each question with all pages of its answer; without, the session's own."""

    def __init__(self, session: Session, doing: str, bounds: Bounds | None = None) -> None:
        self._session = session
        self._doing = doing
        self._bounds = bounds
        self._spare_calls = MOST_SPARE_CALLS
        self._any_was_read = False

    def read(self, refs: Sequence[Any], paths: Paths) -> list[Found]:
        """What can be read of the objects, in their order. Raises the server's fault if it concerns
        all that were asked for so far (at least two), or all of a page that has many; and
        PrivilegeMissing, ConnectionLost …"""
        found = self._read(list(refs), paths)
        failed = [one for one in found if isinstance(one, _Failed)]
        self._any_was_read = self._any_was_read or len(failed) < len(found)
        few = MOST_ODD_OF_A_PAGE if self._any_was_read else 1
        if len(failed) > few and len(failed) == len(found):
            raise failed[0].error
        return [one.as_found() if isinstance(one, _Failed) else one for one in found]

    def _read(self, refs: list[Any], paths: Paths) -> list[Found | _Failed]:
        if not refs:
            return []
        try:
            page = self._ask(refs, paths)
        except (PrivilegeMissing, ConnectionLost):
            raise
        except ObjectGone as gone:
            return self._without(refs, gone, paths)
        except (VSphereFault, NotVSphere, AnswerTooLarge) as error:
            if len(refs) == 1 or self._spare_calls <= 0:
                return [_Failed(ref, error) for ref in refs]
            return self._halves(refs, paths)
        known = {_key(one.ref): one for one in reversed(page.objects)}
        found: list[Found | _Failed] = []
        for ref in refs:
            if one := known.get(_key(ref)):
                found.append(one)
            elif page.lost and len(refs) == 1:
                lost = NotVSphere(f"{self._doing}: the answer does not name the object.")
                found.append(_Failed(ref, lost))
            elif page.lost and self._spare_calls > 0:
                # One of those that were not named in a way that anybody understands.
                found += self._again([ref], paths)
        return found

    def _without(self, refs: list[Any], gone: ObjectGone, paths: Paths) -> list[Found | _Failed]:
        """The objects without the one that is gone; the fault usually names it. It may name one
        that was not asked for: something that one of these refers to, and that is left."""
        moref = gone_moref(gone)
        if len(refs) == 1:
            return [] if moref in (None, str(refs[0]._moId)) else [_Failed(refs[0], gone)]
        left = [ref for ref in refs if str(ref._moId) != moref]
        return self._again(left, paths) if len(left) < len(refs) else self._halves(refs, paths)

    def _halves(self, refs: list[Any], paths: Paths) -> list[Found | _Failed]:
        middle = len(refs) // 2
        return self._again(refs[:middle], paths) + self._again(refs[middle:], paths)

    def _again(self, refs: list[Any], paths: Paths) -> list[Found | _Failed]:
        self._spare_calls -= 1
        return self._read(refs, paths)

    def _ask(self, refs: list[Any], paths: Paths) -> Page:
        first = [Collector.ObjectSpec(obj=refs[0], skip=False)]
        others = "".join(map(_object_set, refs[1:])).encode()
        wanted = {
            kind: names
            for kind, names in paths.items()
            if any(issubclass(type(ref), kind) for ref in refs)
        }
        return self._session.invoke(
            self._doing,
            partial(_all_pages, self._session, first, wanted, others),
            reading=self._bounds,
        )


class _Failed:
    """An object of which nothing could be read, and why."""

    def __init__(self, ref: Any, error: VSphereError) -> None:
        self.ref, self.error = ref, error

    def as_found(self) -> Found:
        return Found(self.ref, {}, {}, problem=str(self.error))


def _concerns(kind: Any, paths: Paths) -> bool:
    return any(issubclass(kind, wanted) for wanted in paths)


def _key(ref: Any) -> tuple[Any, str]:
    return type(ref), str(ref._moId)


def _object_set(ref: Any) -> str:
    """One more ObjectSpec of a request."""
    kind, moref = _quoted(ref._wsdlName), escape(str(ref._moId))
    return f"<objectSet><obj type={kind}>{moref}</obj><skip>false</skip></objectSet>"


_quoted = lru_cache(maxsize=64)(quoteattr)


def _all_pages(session: Session, objects: list[Any], paths: Paths, others: bytes = b"") -> Page:
    """One request, with the pages that the server makes of its answer. `others`: XML of further
    objects."""
    collector = session.content.propertyCollector
    page = read_page(
        collector._stub.ask(
            collector,
            "RetrievePropertiesEx",
            [_filter(objects, paths)],
            Collector.RetrieveOptions(),
            more=(b"</specSet>", others),
        ),
        collector._stub,
    )
    found, lost = list(page.objects), page.lost
    for _ in range(_MOST_PAGES):
        if not page.token:
            return Page(found, None, lost)
        page = read_page(
            collector._stub.ask(collector, "ContinueRetrievePropertiesEx", page.token),
            collector._stub,
        )
        found += page.objects
        lost += page.lost
    raise AnswerTooLarge(f"The answer has more than {_MOST_PAGES:,} pages.")


def gone_moref(gone: ObjectGone) -> str | None:
    """Which object is gone, when vSphere says so."""
    fault = gone.__cause__
    ref = fault.obj if isinstance(fault, vmodl.fault.ManagedObjectNotFound) else None
    return str(ref._moId) if ref is not None else None


def read_objects(session: Session, doing: str, refs: Sequence[Any], paths: Paths) -> list[Found]:
    """The properties of a few objects. Those that are gone are left out, one that cannot be read
    has its `problem`: also one of which more comes than READING_BYTES."""
    return Asking(session, doing, _bounds(refs[0])).read(refs, paths)


def read_related(
    session: Session, doing: str, ref: Any, paths: Paths, selects: Iterable[Any] = ()
) -> list[Found]:
    """An object, and what its traversal specs lead to.

    Raises ObjectGone when it is not there; AnswerTooLarge, ConnectionLost when the pages do not end
    within READING_BYTES, READING_SECONDS.
    """
    start = [Collector.ObjectSpec(obj=ref, skip=False, selectSet=list(selects))]

    def read() -> list[Found]:
        return session.invoke(
            doing, lambda: _all_pages(session, start, paths).objects, reading=_bounds(ref)
        )

    return again_if_others_go(read, ref._moId)


def _bounds(ref: Any) -> Bounds:
    return Bounds(READING_SECONDS, READING_BYTES, f"reading of {ref._moId}")


def again_if_others_go(read: Callable[[], T], moref: str | None = None) -> T:
    """Read again, a few times, if another object than the requested one disappeared at that moment:
    that says nothing about the requested one."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return read()
        except ObjectGone as gone:
            if gone_moref(gone) in (None, moref):
                raise
    return read()


def read_object(session: Session, doing: str, ref: Any, *paths: str) -> Mapping[str, Any]:
    """Some properties of one object; what is unset is not in the answer.

    Raises ObjectGone, and what vSphere says of a property that it refuses (PrivilegeMissing …).
    """
    for found in read_related(session, doing, ref, {type(ref): paths}):
        if found.problem:
            raise NotVSphere(f"{doing}: {found.problem}. Check for a newer vmrep.")
        for path, fault in found.missing.items():
            if path in paths:
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
