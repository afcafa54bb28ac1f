"""Bringing a browser into each state of the table, one after the other."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager

from django.contrib.auth.models import User
from django.test import override_settings
from playwright.sync_api import Browser, Page, expect

from contexts import messages as context_messages
from replication import messages as replication_messages
from replication.health import broker
from tests import factories
from tests.e2e.browser import log_in_as, open_page
from tests.e2e.scenes import Names, Scenes
from tests.e2e.states import PATIENCE, SCENES, State

WIDTHS = (1440, 768, 390)
THEMES = ("light", "dark")
HEIGHT = 900


@contextmanager
def nobody_works() -> Iterator[None]:
    """There is no worker here, and no broker: hints have nobody to go to. Pages do not tell."""
    rooms = (context_messages, replication_messages)
    before = [room.send for room in rooms]
    asks = broker.problem
    broker.problem = lambda **_: ""
    for room in rooms:
        room.send = lambda *message: None
    try:
        with override_settings(ROOT_URLCONF="tests.e2e.broken_urls"):
            yield
    finally:
        broker.problem = asks
        for room, send in zip(rooms, before, strict=True):
            room.send = send


def every_state(
    browser: Browser,
    scenes: Scenes,
    base_url: str,
    complaints: list[str],
    wanted: Container[State] | None = None,
) -> Iterator[tuple[State, Page]]:
    """Each state (of those wanted) with the page that is in it, at the first width. `complaints`
    as `open_page`.

    The database begins empty and is filled on the way.
    """
    user = factories.user("ops", "a long enough password", is_staff=True)
    with nobody_works(), open_page(browser, base_url, complaints) as page:
        # What was ticked in the state before is forgotten; about:blank has no such storage.
        page.add_init_script("if (location.host) sessionStorage.clear()")
        for scene, states in SCENES.items():
            names = scenes.play(scene)
            for state in states:
                if wanted is not None and state not in wanted:
                    continue
                before = len(complaints)
                _enter(state, page, names, user, base_url)
                complaints[before:] = _unexpected(state, complaints[before:])
                yield state, page


def show(page: Page, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")


def _enter(state: State, page: Page, names: Names, user: User, base_url: str) -> None:
    page.goto("about:blank")  # the state before polls no more, and goes nowhere by itself
    show(page, WIDTHS[0], THEMES[0])
    page.context.clear_cookies()
    if not state.anonymous:
        log_in_as(user, page, base_url)
    page.goto(state.address.format(**names))
    if state.act is not None:
        state.act(page, names)
    expect(page.locator(state.shows).first).to_be_visible(timeout=PATIENCE)


def _unexpected(state: State, complaints: list[str]) -> list[str]:
    """A page that answers with an error is told in the console: just that is expected."""
    if state.status != 200:
        expected = f"status of {state.status}"
        assert [each for each in complaints if expected in each], f"{state.name}: not {expected}"
        complaints = [each for each in complaints if expected not in each]
    return [f"{state.name}: {each}" for each in complaints]
