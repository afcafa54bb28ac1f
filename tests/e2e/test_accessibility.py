"""Pages, wide and narrow, light and dark: axe finds nothing, nobody complains.

The slow tier asks about every state of every page, the other one about one state of each.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e.scenes import Scenes
from tests.e2e.states import State, one_of_each_page
from tests.e2e.visit import WIDTHS, every_state, show

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


def wide(state: State, page: Page) -> list[str]:
    """As wide as `every_state` leaves it: every rule; then the colours of the other theme.

    Of a state that is a part of a page (a panel, a menu), the page around it is another state.
    """
    if state.part == "body":
        found = findings(page, "html")
    else:
        found = findings(page, state.part) + findings(page, "html", **only(OF_THE_WHOLE))
    show(page, WIDTHS[0], "dark")
    return found + [f"dark: {each}" for each in findings(page, state.part, **only(OF_COLOURS))]


def narrow(state: State, page: Page) -> list[str]:
    """What depends on the width; nothing reaches beyond the window, or moves by itself."""
    found = ["something moves, although that is not wanted"] if page.evaluate(MOVES) else []
    for width in WIDTHS:
        show(page, width, "light")
        excess = page.evaluate(WIDER_THAN_THE_WINDOW)
        found += [f"{width}: wider than the window by {excess}px"] if excess > 0 else []
    return found + [f"{width}: {each}" for each in findings(page, state.part, **only(OF_LAYOUT))]


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(one_of_each_page(), id="one state of each page"),
        pytest.param(None, id="every state", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing(browser, live_server, lab_scenario, tmp_path, wanted):
    complaints: list[str] = []
    found = []
    scenes = Scenes(tmp_path, lab_scenario("small"))
    for state, page in every_state(browser, scenes, live_server.url, complaints, wanted):
        # By the debugger, to which the page's policy does not apply: it stays as it is.
        page.evaluate(Axe().axe_script)
        found += [f"{state.name}: {each}" for each in wide(state, page) + narrow(state, page)]
    assert not found, "\n".join(found)
    assert complaints == []
