"""Every page of the admin, generated over what is registered there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib import admin as django_admin
from django.contrib.contenttypes.models import ContentType

from replication.models import ContextLease
from tests.admin.estate import HAND_MADE, MODELS, address, grow, name_of
from tests.factories import HOSTILE_NAME
from tests.shared_rows import shared_rows


@pytest.fixture(scope="module", autouse=True)
def grown(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A row or more of every model, for all tests here."""
    with shared_rows(django_db_blocker):
        grow()
        yield


every_model = pytest.mark.parametrize("model", MODELS, ids=name_of)


class WhatCspForbids(HTMLParser):
    """Collects inline scripts, inline styles and event handlers."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        is_data = (names.get("type") or "").endswith("json")
        self._script = tag == "script" and "src" not in names and not is_data
        if self._script or tag == "style":
            self.found.append(self.get_starttag_text() or tag)
        self.found += [f"{tag} {name}={value}" for name, value in attrs if self._inline(name)]
        self.found += [f"{tag} {value}" for _, value in attrs if (value or "").startswith("java")]

    @staticmethod
    def _inline(name: str) -> bool:
        return name == "style" or name.startswith("on")


def pages(model) -> list[str]:
    newest = model.objects.order_by("pk").last()
    made = [address(model, "add")] if model in HAND_MADE else []
    return [
        address(model, "changelist"),
        address(model, "changelist") + "?q=script",
        address(model, "change", newest.pk),
        address(model, "history", newest.pk),
        *made,
    ]


@every_model
def test_its_pages_show_hostile_texts_harmlessly_and_no_secret(admin, model):
    for page in pages(model):
        answer = admin.get(page)
        assert answer.status_code == 200, page
        html = answer.content.decode()
        assert "password_encrypted" not in html
        assert "gAAAA" not in html  # what an encrypted text begins with
        assert HOSTILE_NAME not in html, page
        assert WhatCspForbids(html).found == [], page
        assert "script-src 'self'" in answer["Content-Security-Policy"]


def test_the_front_page_is_harmless_too(admin):
    assert WhatCspForbids(admin.get("/admin/").content.decode()).found == []


def test_an_inline_script_would_be_found():
    html = '<script>1</script><p style="x"><a onclick="x" href="javascript:x">'
    assert len(WhatCspForbids(html).found) == 4


@every_model
def test_it_can_be_searched_and_filtered(admin, model):
    page = django_admin.site._registry[model]
    assert page.search_fields
    assert page.list_filter
    html = admin.get(address(model, "changelist")).content.decode()
    queries = {query.replace("&amp;", "&") for query in re.findall(r'<a href="(\?[^"]+)"', html)}
    # Of each filter, one choice: the others are other values in the same query.
    one_of_each = {tuple(sorted(parse_qs(query.lstrip("?")))): query for query in sorted(queries)}
    assert one_of_each
    for query in one_of_each.values():
        answer = admin.get(address(model, "changelist") + query)
        assert answer.status_code == 200, query


def test_the_number_of_queries_does_not_grow_with_the_rows(admin, queries):
    def counted() -> dict[str, int]:
        ContentType.objects.clear_cache()  # filled by whoever comes first
        return {
            name_of(model): queries(lambda model=model: admin.get(address(model, "changelist")))
            for model in MODELS
        }

    one = counted()
    grow(4)
    assert min(model.objects.count() for model in MODELS) >= 5
    assert counted() == one


@every_model
def test_nobody_without_the_right_gets_in(client, db, model):
    for page in pages(model):
        assert client.get(page).status_code == 302


def test_a_leases_token_is_not_shown(admin):
    lease = ContextLease.objects.get()
    html = admin.get(address(ContextLease, "change", lease.pk)).content.decode()
    assert str(lease.token) not in html
