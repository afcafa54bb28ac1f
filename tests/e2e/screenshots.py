"""Draws every page and state in three widths, light and dark: script/screenshots --help"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.conf import settings

from vmrep.local.ports import THIS_MACHINE

BEST = {
    "home-estate-1440-light": "virtual-machines",
    "panel-running-1440-light": "panel-running",
    "panel-cbt-1440-dark": "panel-changes",
    "panel-failed-1440-light": "panel-failed",
    "job-running-1440-dark": "job",
    "discovery-tree-1440-light": "discovery",
    "integrity-findings-1440-light": "integrity",
    "panel-running-390-light": "phone",
}
"""What the README and others show, and its name in docs/screenshots/. All names in them are
ordinary ones; the other pictures also show hostile names, to see that they do no harm."""

DOCS = Path("docs/screenshots")
ALL = DOCS / "all"
SETTLED_MILLISECONDS = 250


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/screenshots", description=__doc__)
    parser.add_argument("--to", type=Path, default=ALL, help="the folder (%(default)s)")
    parser.add_argument("--only", default="", help="pictures whose name begins with this")
    parser.add_argument("--best", action="store_true", help=f"only the few of {DOCS}/, into it")
    arguments = parser.parse_args()
    started = time.monotonic()
    folder = DOCS if arguments.best else arguments.to
    with tempfile.TemporaryDirectory(prefix="vmrep-screenshots-") as temporary:
        _use(Path(temporary))
        drawn = _draw(Path(temporary), folder, arguments.only, best=arguments.best)
    print(f"{drawn} pictures in {folder}/, {time.monotonic() - started:.0f} s")


def _use(temporary: Path) -> None:
    """Settings of a throw-away installation. Playwright's event loop runs in this thread, which
    Django takes for async code."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "vmrep.settings",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
        "DATABASE_URL": f"sqlite:///{temporary}/database.sqlite3",
        "VMREP_DATA_DIR": f"{temporary}/data",
        "VMREP_ALLOW_ADDRESSES": THIS_MACHINE,
        "VMREP_LOG_LEVEL": "CRITICAL",
    }
    django.setup()


def _draw(temporary: Path, folder: Path, only: str, *, best: bool) -> int:
    """How many pictures were drawn. Imports wait for the settings."""
    from tests.e2e.browser import chromium
    from tests.e2e.scenes import Scenes
    from tests.e2e.states import SCENES
    from tests.e2e.visit import every_state, show
    from vmrep.lab import Lab

    folder.mkdir(parents=True, exist_ok=True)
    drawn = 0
    states = [state for each in SCENES.values() for state in each]
    wanted = [state for state in states if any(_wanted(state.name, only, best=best))]
    with (
        _server(temporary) as url,
        Lab(temporary / "lab", "small", password="for-pictures") as lab,
        chromium() as browser,
    ):
        scenes = Scenes(temporary, lab, hostile_names=not best)
        for state, page in every_state(browser, scenes, url, [], wanted):
            for name, width, theme in _wanted(state.name, only, best=best):
                show(page, width, theme)
                page.wait_for_timeout(SETTLED_MILLISECONDS)  # charts are drawn anew
                page.screenshot(path=folder / f"{name}.png")
                drawn += 1
    return drawn


def _wanted(state: str, only: str, *, best: bool) -> Iterator[tuple[str, int, str]]:
    """Of a state's pictures those that are asked for: name, width, theme."""
    from tests.e2e.visit import THEMES, WIDTHS

    for width in WIDTHS:
        for theme in THEMES:
            name = f"{state}-{width}-{theme}"
            if best and name in BEST:
                yield BEST[name], width, theme
            elif not best and name.startswith(only):
                yield name, width, theme


@contextmanager
def _server(temporary: Path) -> Iterator[str]:
    """vmrep on a free port of this machine, with an empty database; its address."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.management import call_command
    from django.test.testcases import LiveServerThread

    call_command("migrate", interactive=False, verbosity=0)
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    thread = LiveServerThread("127.0.0.1", StaticFilesHandler)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    try:
        yield f"http://127.0.0.1:{thread.port}"
    finally:
        thread.terminate()


if __name__ == "__main__":
    main()
