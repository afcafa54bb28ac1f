"""Every page and state, wide and narrow, light and dark: axe finds nothing, nobody complains."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e.scenes import Scenes
from tests.e2e.visit import THEMES, every_state, show

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The other rules do not depend on the theme: they are asked once per width.
OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


@pytest.fixture(autouse=True)
def async_is_playwrights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright's own event loop runs in this thread, which Django takes for async code."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def findings(page: Page, **options: object) -> list[str]:
    """What axe objects to in the page, into which it was brought."""
    found = page.evaluate("options => axe.run(options)", {"resultTypes": ["violations"], **options})
    return [
        f"{rule['id']} ({rule['help']}): {node['html'][:160]} {node.get('failureSummary', '')}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def test_axe_finds_nothing_in_any_page_and_state(live_server, lab_scenario, tmp_path):
    complaints: list[str] = []
    found = []
    for state, page in every_state(
        Scenes(tmp_path, lab_scenario("small")), live_server.url, complaints
    ):
        # By the debugger, to which the page's policy does not apply: it stays as it is.
        page.evaluate(Axe().axe_script)
        for width in (1440, 390):
            for theme in THEMES:
                show(page, width, theme)
                options = {} if theme == THEMES[0] else {"runOnly": OF_COLOURS}
                found += [f"{state.name}-{width}-{theme}: {it}" for it in findings(page, **options)]
    assert found == []
    assert complaints == []
