"""Reading something once for work whose parts need it again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar, cast

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")

_kept: ContextVar[dict[Hashable, object] | None] = ContextVar("kept", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """Within the block, what a function marked `once` has read stands: all parts of the work see
    the same, however long it takes. Elsewhere such a function reads each time."""
    before = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(before)


def read_again() -> None:
    """Let nothing stand that was read so far: the work itself has changed it."""
    kept = _kept.get()
    if kept is not None:
        kept.clear()


def once(read: Callable[Arguments, Found]) -> Callable[Arguments, Found]:
    """Marks a function that may be read once with the same arguments, which are hashable; what it
    returns must not be changed."""

    @wraps(read)
    def reading(*arguments: Arguments.args, **more: Arguments.kwargs) -> Found:
        kept = _kept.get()
        if kept is None:
            return read(*arguments, **more)
        key = (read, arguments, tuple(sorted(more.items())))
        if key not in kept:
            kept[key] = read(*arguments, **more)
        return cast("Found", kept[key])

    return reading
