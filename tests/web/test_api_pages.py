"""The API's documentation, from the user's menu."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from tests.web.conftest import text

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def test_the_menu_leads_to_it_and_to_the_tokens(web):
    page = text(web.get("/jobs/"))
    for address in ("/docs/api/", "/account/tokens/", "/views/"):
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


def test_the_type_of_an_error_leads_to_its_code(web):
    error = web.get("/api/v1/replications/job-x/").json()
    address, _, anchor = error["type"].partition("#")
    assert error["code"] in anchor
    page = web.get(address).content.decode()
    ids = re.findall(r'id="([^"]*)"', page)
    assert ids.count(anchor) == 1
    assert len(ids) == len(set(ids))


def test_every_link_of_every_page_of_the_documentation_leads_to_a_page(web):
    there = settings.BASE_DIR / "docs"
    names = [str(file.relative_to(there).with_suffix("")) for file in there.glob("**/*.md")]
    assert "decisions/0015-protection-is-computed-from-the-clock" in names
    for name in names:
        page = web.get(f"/docs/{name}/").content.decode()
        for linked in re.findall(r'href="([^"#]*)[^"]*\.md|href="/docs/([^"#]+)/', page):
            assert linked[1] in names, f"{name}: {linked}"
