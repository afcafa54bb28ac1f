"""The API's documentation and one's own token, from the user's menu."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from rest_framework.authtoken.models import Token

from tests.web.conftest import notices, text

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_the_menu_leads_to_both(web):
    page = text(web.get("/jobs/"))
    for address in ("/docs/api/", "/token/", "/views/"):
        assert f'href="{address}"' in page
        assert web.get(address).status_code == 200


def test_the_documentation_is_a_page_whose_links_lead_to_others(web):
    page = web.get("/docs/api/").content.decode()
    assert "<h1" in page
    assert "<td><code>GET vm-contexts/</code></td>" in page
    assert 'href="/docs/retention/"' in page
    assert not re.search(r'href="[^"]*\.md', page)
    for name in set(re.findall(r'href="/docs/([^"#]+)/', page)):
        assert web.get(f"/docs/{name}/").status_code == 200, name
    for name in ("nothing", "../README", "API", "x%00y"):
        assert web.get(f"/docs/{name}/").status_code == 404


def test_every_link_of_every_page_of_the_documentation_leads_to_a_page(web):
    there = settings.BASE_DIR / "docs"
    names = [str(file.relative_to(there).with_suffix("")) for file in there.glob("**/*.md")]
    assert "decisions/0015-protection-is-computed-from-the-clock" in names
    for name in names:
        page = web.get(f"/docs/{name}/").content.decode()
        for linked in re.findall(r'href="([^"#]*)[^"]*\.md|href="/docs/([^"#]+)/', page):
            assert linked[1] in names, f"{name}: {linked}"


def test_a_token_is_shown_once_and_a_new_one_ends_the_old(web, user, client):
    assert "You have no token" in text(web.get("/token/"))
    made = web.post("/token/")
    key = Token.objects.get(user=user).key
    assert f'<code id="token">{key}</code>' in text(made)
    assert "no-store" in made["Cache-Control"]
    assert key not in text(web.get("/token/"))

    def status(of: str) -> int:
        return client.get("/api/v1/", headers={"Authorization": f"Token {of}"}).status_code

    assert status(key) == 200
    answer = web.post("/token/", follow=True)
    assert notices(answer) == ["Nothing was done: confirm that the old token is to end."]
    assert status(key) == 200
    web.post("/token/", {"confirmed": "yes"})
    new = Token.objects.get(user=user).key
    assert (status(key), status(new)) == (401, 200)
    web.post("/token/", {"action": "remove"})
    assert status(new) == 401
