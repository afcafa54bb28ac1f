"""One's own views of the lists over the API."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from tests import factories
from vmrep.trail.models import Event
from vmrep.web import saved_views
from vmrep.web.models import SavedView, ViewPage

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FAILED = {"page": "jobs", "name": "Failed", "query": "status=failed&odd=1&page=3"}


def test_a_view_is_made_renamed_and_removed(api):
    answer = api.post("saved-views/", FAILED | {"is_default": True})
    assert answer.status_code == 201, answer.json()
    made = answer.json()
    here = f"saved-views/{made['id']}/"
    assert answer.headers["Location"].endswith(f"/{here}")
    assert made["query"] == "status=failed", "what the page does not know is left away"
    assert (made["page"], made["is_shared"], made["is_default"]) == ("jobs", False, True)

    other = api.post("saved-views/", FAILED | {"name": "Other", "is_default": True}).json()
    assert api.get(here).json()["is_default"] is False, "a page begins with one view"
    renamed = api.patch(here, {"name": "Broken", "query": "status=cancelled", "is_shared": True})
    assert renamed.status_code == 200, renamed.json()
    assert api.get(here).json() == renamed.json()
    assert renamed.json()["query"] == "status=cancelled"
    listed = api.get("saved-views/?of_page=jobs&ordering=-name").json()["results"]
    assert [each["name"] for each in listed] == ["Other", "Broken"]
    assert api.get("saved-views/?of_page=events").json()["count"] == 0

    assert api.delete(here).status_code == 204
    assert [view.pk for view in SavedView.objects.all()] == [other["id"]]
    told = Event.objects.filter(kind="saved_view").order_by("number").values_list("verb", flat=True)
    assert list(told) == ["add", "add", "change", "remove"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"name": "Failed"}, 409, "view_taken"),
        ({"name": " "}, 400, "invalid"),
        ({"name": "a\u202eb"}, 400, "view_refused"),
        ({"query": "status=odd"}, 400, "view_refused"),
        ({"page": "limits"}, 400, "invalid"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_changes_nothing(api, change, status, code):
    kept = api.post("saved-views/", FAILED).json()
    mine = api.post("saved-views/", FAILED | {"name": "Mine"}).json()
    for answer in (
        api.post("saved-views/", FAILED | {"name": "New"} | change),
        api.patch(f"saved-views/{mine['id']}/", change),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()
    assert api.get("saved-views/?ordering=id").json()["results"] == [kept, mine]


def test_nobody_sees_or_changes_another_s(api, user):
    """Not even one that is shared: those are in the pages' menus."""
    ann = factories.user("ann")
    theirs = saved_views.save(ann, ViewPage.JOBS, "Failed", "status=failed", is_shared=True)
    here = f"saved-views/{theirs.pk}/"
    assert api.get("saved-views/").json()["count"] == 0
    for answer in (api.get(here), api.patch(here, {"name": "x"}), api.delete(here)):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_view")
    assert api.post("saved-views/", FAILED).status_code == 201, "each has names of their own"
    assert get_user_model().objects.get(pk=ann.pk).saved_views.get().name == "Failed"
