"""The strict policy is sent, and no page or template asks for what it forbids."""

from __future__ import annotations

import re

from django.conf import settings
from django.views.debug import get_exception_reporter_class

from contexts.services import vcenters
from tests.web.conftest import text

TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
SCRIPTS = sorted((settings.BASE_DIR / "static/js").glob("*.js"))
# (A debug page shows the lines of code around the error: the word itself must not be there.)
CANARY = "a-canary"
STYLES = sorted((settings.BASE_DIR / "static").rglob("*.css"))


def test_the_policy_allows_nothing_but_this_server(web):
    policy = web.get("/virtual-machines/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_template_has_nothing_inline_and_nothing_from_elsewhere():
    assert TEMPLATES
    for path in TEMPLATES:
        source = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", source), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", source), path
        assert not re.search(r'(src|href|action)="(https?:)?//', source), path
        assert "|safe" not in source, path
        assert "autoescape off" not in source, path


def test_a_script_of_ours_is_a_module():
    """What a module needs it imports: no order of tags matters. Only the theme is set before the
    first paint."""
    for path in TEMPLATES:
        tags = re.findall(r'<script src="{% static "(js/[^"]+)" %}"([^>]*)>', path.read_text())
        first = {name for name, rest in tags if 'type="module"' not in rest}
        assert first <= {"js/theme.js"}, path


def test_a_script_evaluates_no_text():
    assert SCRIPTS
    for path in SCRIPTS:
        evaluating = r"\beval\(|new Function|innerHTML|document\.write"
        assert not re.search(evaluating, path.read_text()), path


def test_a_style_sheet_asks_nobody_else():
    assert STYLES
    for path in STYLES:
        assert not re.search(r'@import|url\("?(https?:)?//', path.read_text()), path


def test_what_a_page_loads_is_there(web, client):
    page = text(web.get("/virtual-machines/"))
    loaded = re.findall(r'(?:src|href)="(/static/[^"#]+)', page)
    assert len(loaded) > 5
    for address in set(loaded):
        assert client.get(address).status_code == 200, address


def test_every_icon_that_is_shown_is_in_the_sprite(web):
    sprite = next((settings.BASE_DIR / "static/vendor").glob("tabler-icons-*/sprite.svg"))
    drawn = set(re.findall(r'<symbol id="([^"]+)"', sprite.read_text()))
    code = [*TEMPLATES, settings.BASE_DIR / "vmrep/web/looks.py"]
    sources = "".join(path.read_text() for path in code)
    shown = set(re.findall(r'{% icon "([^"]+)"', sources))
    shown |= set(re.findall(r'nav_link "[^"]+" "[^"]+" "([^"]+)"', sources))
    shown |= set(re.findall(r'Look\("([^"]+)"', sources))
    assert shown
    assert shown <= drawn
    assert drawn <= shown, "icons that nothing shows"


def test_an_answer_tells_browsers_to_keep_no_copy(web, client):
    answer = web.get("/virtual-machines/")
    assert "no-store" in answer["Cache-Control"]
    assert "HX-Request" in answer["Vary"]
    for at in ("/vcenters/add/", "/api/v1/vcenters/", "/admin/", "/nowhere/", "/account/"):
        assert "no-store" in web.get(at)["Cache-Control"], at
    assert "no-store" in client.get("/virtual-machines/")["Cache-Control"]
    (sheet, *_) = re.findall(r'href="(/static/[^"]+\.css)"', text(answer))
    assert "no-store" not in client.get(sheet)["Cache-Control"]


def test_no_answer_may_use_the_browser_s_features(web, client):
    for answer in (web.get("/virtual-machines/"), client.get("/nowhere/"), client.get("/healthz")):
        assert "camera=()" in answer["Permissions-Policy"]


def test_only_the_names_of_this_server_are_answered(web):
    answer = web.get("/virtual-machines/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "evil.example" not in text(answer)


def test_a_debug_page_shows_no_secret(web, settings, monkeypatch):
    """Neither what was sent nor what any function had in hand, under whatever name."""

    def broken(*given: object, **more: object) -> None:
        innocent = more.get("password") or given
        raise RuntimeError(f"broken by {type(innocent).__name__}")

    settings.DEBUG = True
    settings.CELERY_BROKER_URL = f"redis://:{CANARY}@127.0.0.1/0"
    monkeypatch.setattr(vcenters, "add", broken)
    web.raise_request_exception = False
    sent = {"name": "a", "host": "vc.example", "port": "443", "username": f"{CANARY}-user"}
    sent |= {"password": f"{CANARY}-word", "trust_mode": "verify", "transport": "auto"}
    answer = web.post("/vcenters/add/", sent)
    page = answer.content.decode()
    assert (answer.status_code, "RuntimeError" in page) == (500, True)
    assert CANARY not in page


def test_a_report_of_an_exception_has_no_secret(rf, settings):
    """As Django would mail it."""
    settings.CELERY_BROKER_URL = f"redis://:{CANARY}@127.0.0.1/0"
    request = rf.post("/vcenters/add/", {"password": f"{CANARY}-word"})
    try:
        innocent = request.POST["password"]
        raise RuntimeError(f"broken by {type(innocent).__name__}")
    except RuntimeError as problem:
        told = (RuntimeError, problem, problem.__traceback__)
        report = get_exception_reporter_class(request)(request, *told, is_email=True)
    for written in (report.get_traceback_text(), report.get_traceback_html()):
        assert "broken by str" in written
        assert CANARY not in written
