"""Debian's Chromium, driven by Playwright; a page that also remembers what went wrong in it.

The one that has no window at all: the same engine, for a quarter of the processor's time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from vmrep.accounts.session_store import SIGNED_IN, SessionStore
from vmrep.accounts.sessions import PASSWORD_AT

CHROMIUM = "/usr/bin/chromium-headless-shell"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Starting one takes seconds: each page opens a profile of its own in it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, base_url: str, complaints: list[str]) -> Iterator[Page]:
    """A fresh profile at 1440 × 900. `complaints` gets errors, CSP violations, outside requests."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((base_url, "data:")):
            complaints.append(f"outside: {request.url}")

    page = browser.new_page(base_url=base_url, viewport={"width": 1440, "height": 900})
    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", on_request)
    try:
        yield page
    finally:
        page.context.close()


def log_in_as(user: User, page: Page, base_url: str) -> None:
    """By a session of its own: nobody types a password."""
    session = SessionStore()
    session[PASSWORD_AT] = time.time()
    session[SIGNED_IN] = {"at": timezone.now().isoformat(), "address": "127.0.0.1", "agent": ""}
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session.session_key, "url": base_url}]
    )
