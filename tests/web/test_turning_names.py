"""A name that turns the direction of writing is not read as another one, on any page."""

from __future__ import annotations

import pytest

from tests import factories
from tests.web.conftest import text

NAME = "invoice\u202egpj.exe\u2066\u2069"
SEEN = r"invoice\u202egpj.exe\u2066\u2069"


@pytest.mark.parametrize(
    "address",
    [
        "/virtual-machines/",
        "/virtual-machines/?vm={context}",
        "/virtual-machines/{context}/remove/",
        "/discovery/",
        "/jobs/",
        "/jobs/{job}/",
        "/admin/contexts/vmcontext/",
    ],
)
def test_it_is_shown_with_what_would_turn_it(web, user, address):
    user.is_staff = user.is_superuser = True
    user.save()
    context = factories.context(NAME)
    job = factories.completed_job(context)
    page = text(web.get(address.format(context=context.pk, job=job.pk)))
    assert SEEN in page
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(page)


def test_its_removal_is_confirmed_by_the_id(web):
    context = factories.context(NAME)
    factories.recovery_point(context)
    page = text(web.get(f"/virtual-machines/{context.pk}/delete-replica-data/"))
    assert f"type {context.pk}" in page


def test_other_writings_stay_as_they_are(web):
    factories.context("שלום-01 请求 🗄️")
    assert "שלום-01 请求 🗄️" in text(web.get("/virtual-machines/"))
