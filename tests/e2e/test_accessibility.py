"""Every page and state, wide and narrow, light and dark: axe finds nothing, nobody complains."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.scenes import Scenes
from tests.e2e.visit import THEMES, every_state, show

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The other rules do not depend on colours: they are asked once per width.
ONLY_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


@pytest.fixture(autouse=True)
def async_is_playwrights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright's own event loop runs in this thread, which Django takes for async code."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def findings(page, options: dict[str, object] | None) -> list[str]:
    """What axe objects to; it comes in by the debugger, so that the policy stays as it is."""
    found = Axe().run(page, options=options).response
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
        for width in (1440, 390):
            for theme in THEMES:
                show(page, width, theme)
                options = None if theme == THEMES[0] else ONLY_COLOURS
                found += [f"{state.name}-{width}-{theme}: {it}" for it in findings(page, options)]
    assert found == []
    assert complaints == []
