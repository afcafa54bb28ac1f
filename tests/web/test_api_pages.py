"""The API's documentation, from the user's menu."""

from __future__ import annotations

import json
import re

import pytest
from django.conf import settings
from jsonschema_rs import Draft202012Validator

from tests.api.conformance import schema
from tests.web.conftest import text
from vmrep.web import reference

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
            assert linked[1] in [*names, "api/reference"], f"{name}: {linked}"


def test_the_reference_has_every_operation_and_every_object(web):
    index = web.get("/docs/api/reference/").content.decode()
    for each in reference.operations():
        assert f'href="/docs/api/reference/{each.id}/"' in index
        detail = reference.detail(each.id)
        assert detail is not None
        assert detail.answers, each.id
        for kind in (detail.body, *(answer.kind for answer in detail.answers)):
            assert kind is None or kind.of is None or reference.shape(kind.of), each.id
    for name in schema()["components"]["schemas"]:
        shape = reference.shape(name)
        assert shape is not None
        linked = {field.kind.of for field in shape.fields} - {None}
        assert all(reference.shape(str(of)) for of in linked), name


def test_examples_of_bodies_are_as_the_schema_wants_them():
    wrong = []
    for path, item in schema()["paths"].items():
        for method, operation in item.items():
            detail = reference.detail(operation["operationId"])
            if detail is None or detail.body is None:
                continue
            pointer = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            told = {"$ref": pointer, "components": schema()["components"]}
            problems = Draft202012Validator(told).iter_errors(json.loads(detail.example))
            wrong += [(method, path, problem.message) for problem in problems]
    assert wrong == []


def test_an_operation_says_what_it_asks_and_an_object_what_it_has(web):
    page = text(web.get("/docs/api/reference/delete_vcenter/"))
    for words in ("admin", "danger", "vcenter_id", "If-Match", "412", "delete_vcenter()"):
        assert words in page, words
    page = web.get("/docs/api/reference/post_vm_context_replications/").content.decode()
    assert 'href="/docs/api/reference/JobDetail/"' in page
    assert "as_needed" in page
    page = text(web.get("/docs/api/reference/JobDetail/"))
    assert "requested_sync" in page
    assert "whsec" not in page
    assert "webhook-id" in text(web.get("/docs/api/reference/webhook_occurrence/"))
    for name in ("nothing", "get_", "-"):
        assert web.get(f"/docs/api/reference/{name}/").status_code == 404


def test_the_reference_is_searched(web):
    found = web.get("/docs/api/reference/?q=DELETE+admin").content.decode()
    assert "/docs/api/reference/delete_vcenter/" in found
    assert "/docs/api/reference/get_vcenter/" not in found
    assert "No operation matches" in web.get("/docs/api/reference/?q=zzz").content.decode()
    hostile = web.get("/docs/api/reference/", {"q": '"><script>'}).content.decode()
    assert '"><script>' not in hostile


def test_the_schema_itself_is_there_for_programs(web):
    answer = web.get("/docs/api/openapi.yaml")
    assert answer["Content-Type"] == "application/yaml"
    assert answer.content.startswith(b"openapi: 3.1.0")
    assert 'href="openapi.yaml"' in web.get("/docs/api/").content.decode()
