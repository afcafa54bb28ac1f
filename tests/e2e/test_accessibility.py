"""Pages, wide and narrow, light and dark: axe finds nothing, nobody complains.

The slow tier asks about every state of every page in both themes, the other one about one state of
each page in one theme.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.e2e.scenes import Scenes
from tests.e2e.states import State, one_of_each_page
from tests.e2e.visit import THEMES, WIDTHS, every_state, show

pytestmark = pytest.mark.browser

# What depends on the theme, and what on the width. All other rules are asked once per state.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
# What a part of a page can spoil for the page.
OF_THE_WHOLE = [
    *("document-title", "duplicate-id-aria", "heading-order", "landmark-no-duplicate-main"),
    *("landmark-one-main", "landmark-unique", "page-has-heading-one", "region"),
]
OF_LAYOUT = ["target-size", "scrollable-region-focusable"]

MOVES = "document.getAnimations().filter(each => each.playState === 'running').length"
WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth - window.innerWidth"

OPEN_MENUS_OUTSIDE = """
[...document.querySelectorAll('details[open] > .menu-items')].filter(each => {
    const {left, right, top} = each.getBoundingClientRect();
    return left < 0 || right > window.innerWidth || top + window.scrollY < 0;
}).map(each => each.parentElement.id)"""
OVER_THE_NEXT_CELL = """[...document.querySelectorAll('td, th')].filter(
    each => each.clientWidth > 0 && each.scrollWidth > each.clientWidth + 1
).map(each => each.innerText)"""


def findings(page: Page, part: str, **options: object) -> list[str]:
    """What axe objects to in that part of the page, into which it was brought."""
    found = page.evaluate(
        "([part, options]) => axe.run(part, options)",
        [part, {"resultTypes": ["violations"], **options}],
    )
    return [
        f"{rule['id']} ({rule['help']}): {node['html'][:160]} {node.get('failureSummary', '')}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def only(rules: list[str]) -> dict[str, object]:
    return {"runOnly": {"type": "rule", "values": rules}}


def wide(state: State, page: Page, theme: str) -> list[str]:
    """As wide as `every_state` leaves it, in one theme: every rule.

    Of a state that is a part of a page (a panel, a menu), the page around it is another state.
    """
    show(page, WIDTHS[0], theme)
    if state.part == "body":
        found = findings(page, "html")
    else:
        found = findings(page, state.part) + findings(page, "html", **only(OF_THE_WHOLE))
    return [f"{theme}: {each}" for each in found]


def coloured(state: State, page: Page, theme: str) -> list[str]:
    """What depends on the theme."""
    show(page, WIDTHS[0], theme)
    return [f"{theme}: {each}" for each in findings(page, state.part, **only(OF_COLOURS))]


def narrow(state: State, page: Page) -> list[str]:
    """What depends on the width; nothing reaches beyond the window, or moves by itself."""
    found = ["something moves, although that is not wanted"] if page.evaluate(MOVES) else []
    for width in WIDTHS:
        show(page, width, "light")
        excess = page.evaluate(WIDER_THAN_THE_WINDOW)
        found += [f"{width}: wider than the window by {excess}px"] if excess > 0 else []
        outside = page.evaluate(OPEN_MENUS_OUTSIDE)
        found += [f"{width}: the menu {each} is not all in the window" for each in outside]
        cut = page.evaluate(OVER_THE_NEXT_CELL)
        found += [f"{width}: reaches over the next cell: {each}" for each in cut]
    return found + [f"{width}: {each}" for each in findings(page, state.part, **only(OF_LAYOUT))]


@pytest.fixture
def scenes(lab_scenario, tmp_path) -> Scenes:
    return Scenes(tmp_path, lab_scenario("small"))


def visit(
    browser: Browser, url: str, scenes: Scenes, wanted: list[State] | None = None
) -> Iterator[tuple[State, Page]]:
    """The states (of those wanted) with the page, which has axe; nothing in it may complain."""
    complaints: list[str] = []
    for state, page in every_state(browser, scenes, url, complaints, wanted):
        # By the debugger, to which the page's policy does not apply: it stays as it is.
        page.evaluate(Axe().axe_script)
        yield state, page
    assert complaints == []


def test_axe_finds_nothing_on_any_page(browser, live_server, scenes):
    """One state of each page, every other one in the dark."""
    found = []
    visited = visit(browser, live_server.url, scenes, one_of_each_page())
    for (state, page), theme in zip(visited, cycle(THEMES), strict=False):
        here = wide(state, page, theme) + narrow(state, page)
        found += [f"{state.name}: {each}" for each in here]
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_axe_finds_nothing_in_any_state(browser, live_server, scenes):
    found = []
    for state, page in visit(browser, live_server.url, scenes):
        here = wide(state, page, "light") + coloured(state, page, "dark") + narrow(state, page)
        found += [f"{state.name}: {each}" for each in here]
    assert not found, "\n".join(found)
