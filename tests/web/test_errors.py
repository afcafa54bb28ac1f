"""An error that nobody expected: a page for people, JSON for programs, the reason in the log."""

import pytest
from django.test import Client

from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("nobody expected this")

    for face in ("vmrep.web.views.virtual_machines", "vmrep.api.views.contexts"):
        monkeypatch.setattr(f"{face}.contexts_for_list", broken)
    client = Client(raise_request_exception=False)
    client.force_login(factories.user())
    return client


def test_a_person_gets_a_page(client):
    answer = client.get("/virtual-machines/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "nobody expected" not in answer.text


def test_a_program_gets_json(client):
    answer = client.get("/api/v1/vm-contexts/")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "nobody expected" not in answer.text
