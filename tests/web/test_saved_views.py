"""Views of the lists under a name: kept clean, seen by whom they should be, one to begin with."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests import factories
from tests.web.conftest import HTMX, notices, text
from vmrep.web import saved_views
from vmrep.web.models import SavedView, ViewPage

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

VMS = "/virtual-machines/"


def save(web: Client, page: str, query: str, name: str = "Mine", **more: str):
    data = {"name": name, "query": query, "next": f"/{page}/?x=1", **more}
    return web.post(f"/views/save/{page}/", data, follow=True)


@pytest.mark.parametrize(
    ("page", "query", "kept"),
    [
        (
            "virtual-machines",
            "status=failed&status=replicating&sort=-rpo&columns=size&columns=odd&page_size=100"
            "&vm=x&tab=jobs&page=3&search=&taken=1-2&odd=1",
            "columns=size&page_size=100&sort=-rpo&status=failed&status=replicating&taken=1-2",
        ),
        ("jobs", "period=day&sort=odd&page_size=7&log=1", "period=day"),
        (
            "discovery",
            "vcenter={vcenter}&view=tree&folder=/A/vm&x=1",
            "folder=%2FA%2Fvm&vcenter={vcenter}&view=tree",
        ),
        ("events", "search=%22a%26b%22&format=csv", "search=%22a%26b%22"),
        ("occurrences", "kind=broken&kind=recovered", "kind=broken&kind=recovered"),
    ],
)
def test_a_view_keeps_what_its_page_knows_and_nothing_else(web, page, query, kept):
    vcenter = factories.context().vcenter_id
    query, kept = (each.replace("{vcenter}", str(vcenter)) for each in (query, kept))
    answer = save(web, page, query)
    view = SavedView.objects.get()
    assert (view.page, view.name, view.query, view.is_shared) == (page, "Mine", kept, False)
    assert notices(answer) == ["The view Mine was saved."]
    assert answer.status_code == 200
    assert f"?{kept.replace('&', '&amp;')}" in text(answer)
    assert 'aria-current="true" title="Yours"' in text(answer)


def test_saving_under_the_same_name_replaces_it_and_what_is_odd_is_refused(web):
    save(web, "jobs", "status=failed")
    save(web, "jobs", "status=completed", is_shared="1")
    view = SavedView.objects.get()
    assert (view.query, view.is_shared) == ("status=completed", True)
    for page, query, name, told in (
        ("jobs", "status=odd", "x", "The filter status cannot be kept"),
        ("virtual-machines", "vcenter=999", "x", "The filter vcenter cannot be kept"),
        ("jobs", "", " ", "A view needs a name"),
        ("jobs", "", "a\u202eb", "A view needs a name"),
        ("jobs", "", "x" * 81, "A view needs a name"),
    ):
        assert told in notices(save(web, page, query, name))[0]
    assert SavedView.objects.count() == 1
    assert web.post("/views/save/limits/", {"name": "x"}).status_code == 404


def test_shared_ones_are_in_everybody_s_menu_and_only_their_owner_changes_them(web, user):
    save(web, "jobs", "status=failed", "<b>Failed</b>", is_shared="1")
    save(web, "jobs", "status=completed", "Private")
    other = Client()
    other.force_login(factories.user("ann"))
    page = text(other.get("/jobs/"))
    assert "&lt;b&gt;Failed&lt;/b&gt;" in page
    assert "Shared by ops" in page
    assert "Private" not in page
    assert "Failed" not in text(other.get("/views/"))
    shared = SavedView.objects.get(is_shared=True)
    for address in (f"/views/{shared.pk}/", f"/views/{shared.pk}/remove/"):
        assert other.post(address, {"name": "x"}).status_code == 404
    told = web.post(f"/views/{shared.pk}/", {"name": "Private"}, follow=True)
    assert notices(told) == ["You have another view Private of this page."]
    web.post(f"/views/{shared.pk}/", {"name": "Broken", "is_default": "1"})
    shared.refresh_from_db()
    assert (shared.name, shared.is_shared, shared.is_default) == ("Broken", False, True)
    web.post(f"/views/{shared.pk}/remove/")
    assert [view.name for view in SavedView.objects.all()] == ["Private"]


def test_a_page_begins_with_the_default_but_what_its_address_says_counts_more(web):
    for name in ("One", "Two"):
        save(web, "virtual-machines", f"search={name}", name)
        view = SavedView.objects.get(name=name)
        web.post(f"/views/{view.pk}/", {"name": name, "is_default": "1"})
    assert SavedView.objects.get(is_default=True).name == "Two"
    assert web.get(VMS)["Location"] == f"{VMS}?search=Two"
    assert web.get(VMS, headers={"Referer": "http://testserver/jobs/"}).status_code == 302
    for address, headers in (
        (f"{VMS}?search=", {}),
        (VMS, {"Referer": f"http://testserver{VMS}?search=Two"}),
        (VMS, HTMX),
    ):
        assert web.get(address, headers=headers).status_code == 200
    assert web.get("/jobs/").status_code == 200


def test_every_page_with_views_has_their_menu(web):
    factories.context()
    for page in ViewPage.values:
        address = {"occurrences": "/events/told/"}.get(page, f"/{page}/")
        assert re.search(rf'action="/views/save/{page}/"', text(web.get(address))), page


def test_a_view_does_not_tell_which_groups_there_are(db):
    """Of a group that the user does not see it says what it says of one that is not there."""
    here, elsewhere = factories.context("here"), factories.context(at=factories.vcenter())
    seen, hidden = factories.group("mine", here), factories.group("theirs", elsewhere)
    user = factories.user("ann", role="viewer")
    factories.scope(user, here.vcenter)
    assert saved_views.kept(ViewPage.VIRTUAL_MACHINES, f"group={seen.pk}", user)
    told = []
    for key in (hidden.pk, 10**9):
        with pytest.raises(saved_views.ViewRefused) as refused:
            saved_views.kept(ViewPage.VIRTUAL_MACHINES, f"group={key}", user)
        told.append(str(refused.value).replace(str(key), "?"))
    assert told[0] == told[1]
