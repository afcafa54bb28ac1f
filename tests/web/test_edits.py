"""Two people edit the same: the second one sees both values and chooses. Every form that changes
what is stored is found by what it is filled in with, so that a new one is held to it, too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, reverse

from contexts.models import VCenter
from contexts.services import vcenters
from replication.models import Policy
from replication.policies import services as policies
from replication.selectors.limits import Resource
from replication.services import groups, limits
from replication.states import LimitKind
from tests import factories
from tests.web.conftest import text
from vmrep.accounts import sessions
from vmrep.notifications import services as notifications
from vmrep.notifications.models import Channel
from vmrep.web import urls
from vmrep.web.edits import EditForm
from vmrep.web.models import SavedView

pytestmark = pytest.mark.any_database

NOT_EDITS = {
    "vcenter-add": "adds",
    "channel-add": "adds",
    "bandwidth-add": "adds",
    "policy-add": "adds",
    "rule-add": "adds",
    "pauses": "adds",
    "tokens": "adds",
    "saved-views": "one's own views",
    "account-password": "one's own password, of which nothing stored is shown",
    "user": "one choice in each form, which says what is to be, whatever was before",
}


class Control(NamedTuple):
    name: str
    values: list[str]
    is_shown: bool


class Form(HTMLParser):
    """The forms of a page that change something: where each goes, and what a browser sends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, list[Control]]] = []
        self._in, self._text, self._options = False, "", []
        self._name = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._in = given.get("method", "").lower() == "post"
            if self._in:
                self.forms.append((given.get("action", ""), []))
        elif tag in ("select", "textarea"):
            self._name, self._options, self._text = given.get("name", ""), [], ""
        elif tag == "option" and "selected" in given:
            self._options.append(given.get("value", ""))
        elif tag == "input":
            kind = given.get("type", "text")
            if kind in ("checkbox", "radio"):
                self._add(given, [given.get("value", "on")] if "checked" in given else [])
            elif kind not in ("submit", "button", "file"):
                self._add(given, [given.get("value", "")], is_shown=kind != "hidden")

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in = False
        elif tag == "select":
            self._add({"name": self._name}, self._options)
        elif tag == "textarea":
            self._add({"name": self._name}, [self._text.removeprefix("\n")])

    def _add(self, given: dict[str, str], values: list[str], *, is_shown: bool = True) -> None:
        if self._in and given.get("name"):
            self.forms[-1][1].append(Control(given["name"], values, is_shown))


def filled_in(controls: list[Control]) -> bool:
    return any(each.is_shown and any(each.values) for each in controls)


def opened(web: Client, address: str) -> dict[str, list[str]]:
    """What a browser sends from the one form there that has `seen`."""
    answer = web.get(address)
    assert answer.status_code == 200, address
    return sent_from(answer.content.decode())


def sent_from(page: str) -> dict[str, list[str]]:
    (found,) = [
        controls for _, controls in Form(page).forms if any(it.name == "seen" for it in controls)
    ]
    values: dict[str, list[str]] = {}
    for name, some, _ in found:
        values.setdefault(name, []).extend(some)
    return values


class Edit(NamedTuple):
    """Where it is opened and sent to, and a field with two other values for it."""

    address: str
    field: str
    theirs: str
    mine: str
    posted_to: str = ""


@pytest.fixture
def edits(web: Client, request: pytest.FixtureRequest) -> dict[str, Edit]:
    """One for each edit form, by the name of its page's address. The vCenter is there only for a
    test that asks for it."""
    is_there = "vcenter" in request.fixturenames
    vcenter = request.getfixturevalue("vcenter") if is_there else factories.vcenter()
    context = factories.context("web", at=vcenter)
    repository = factories.repository("ssd")
    policy = policies.add("Gold", policies.target(900), actor="x")
    policies.set_own(context, policies.target(600), actor="x")
    webhook = notifications.add_channel(
        "hook", "webhook", {"url": "https://example.org/x", "secret": f"whsec_{'QUJD' * 11}"}
    )
    rule = notifications.save_rule(webhook, ["job_failed"])
    group = groups.add("shop", actor="x")
    limits.set_limit(Resource(LimitKind.VCENTER_JOBS), 5, actor="x")
    SavedView.objects.create(user=web.get("/views/").wsgi_request.user, page="jobs", name="mine")
    own = reverse("vm-own-values", args=[context.pk])
    rule_page = reverse("rule-edit", args=[rule.pk])
    group_page, renames = (
        reverse("group", args=[group.pk]),
        reverse("group-rename", args=[group.pk]),
    )
    return {
        "vcenter-edit": Edit(reverse("vcenter-edit", args=[vcenter.pk]), "name", "a", "b"),
        "repository": Edit(reverse("repository", args=[repository.pk]), "reserve", "1.0", "2.5"),
        "policy": Edit(reverse("policy", args=[policy.pk]), "target", "1 h", "2 h"),
        "vm-own-values": Edit(own, "target", "1 h", "2 h"),
        "channel-edit": Edit(reverse("channel-edit", args=[webhook.pk]), "digest_after", "7", "8"),
        "rule-edit": Edit(rule_page, "kinds", "worker_dead", "recovered"),
        "group": Edit(group_page, "name", "store", "market", renames),
        "limit-change": Edit(f"{reverse('limit-change')}?kind=vcenter_jobs", "limit", "6", "7"),
    }


def addresses(edits: dict[str, Edit]) -> Iterator[tuple[str, str]]:
    """Every page, with its address's name."""
    context = edits["vm-own-values"].address.split("/")[2]
    keys = {
        "context_id": context,
        "vcenter_id": VCenter.objects.get().pk,
        "policy_id": Policy.objects.exclude(name=None).latest("pk").pk,
        "user_id": User.objects.get().pk,
        "page": "jobs",
        "kind": "webhook",
    }
    for name, edit in edits.items():
        yield name, edit.address
    yield "virtual-machines", f"{reverse('virtual-machines')}?vm={context}&tab=policy"
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        if pattern.name in edits or pattern.name in ("logout", "discovery-start"):
            continue
        named = {key: keys.get(key, 1) for key in pattern.pattern.converters}
        try:
            yield str(pattern.name), reverse(str(pattern.name), kwargs=named)
        except NoReverseMatch:
            continue


def test_each_form_of_what_is_stored_says_what_it_was_filled_in_from(web, edits):
    session = web.session  # some pages are there only for who has just given the password
    session[sessions.PASSWORD_AT] = time.time()
    session.save()
    found = {}
    for name, address in addresses(edits):
        answer = web.get(address)
        if answer.status_code != 200 or not answer.headers["Content-Type"].startswith("text/html"):
            continue
        for _, controls in Form(answer.content.decode()).forms:
            if any(each.name == "seen" for each in controls):
                found[name] = True
            elif filled_in(controls):
                found.setdefault(name, False)
    without = {name for name, has_seen in found.items() if not has_seen}
    assert without == set(NOT_EDITS)
    assert set(found) - without == set(edits)


def save(web: Client, edit: Edit, values: dict[str, list[str]]) -> Any:
    """As a browser does, with a preview in between if there is one."""
    sent = QueryDict(mutable=True)
    for name, some in values.items():
        sent.setlist(name, some)
    answer = web.post(edit.posted_to or edit.address, sent.dict() | dict(sent.lists()))
    if answer.status_code == 200 and (digest := answer.context.get("digest")):
        values = sent_from(answer.content.decode()) | {"previewed": [digest]}
        answer = web.post(edit.address, values)
    return answer


def test_who_saves_second_sees_both_values_and_chooses(web, vcenter, edits):
    for name, edit in edits.items():
        first, second = opened(web, edit.address), opened(web, edit.address)
        assert save(web, edit, first | {edit.field: [edit.theirs]}).status_code == 302, name
        mine = second | {edit.field: [edit.mine]}
        answer = save(web, edit, mine)
        assert answer.status_code == 409, name
        (both,) = answer.context["form" if name != "group" else "rename"].overtaken
        page = text(answer)
        assert both.stored in page
        assert both.entered in page
        assert opened(web, edit.address)[edit.field] == [edit.theirs], name
        again = sent_from(answer.content.decode())
        assert again[edit.field] == [edit.mine], name
        assert save(web, edit, again).status_code == 302, name
        assert opened(web, edit.address)[edit.field] == [edit.mine], name


def test_what_was_left_alone_does_not_undo_what_somebody_else_did(web, edits):
    edit = edits["channel-edit"]
    first, second = opened(web, edit.address), opened(web, edit.address)
    del first["enabled"]
    assert save(web, edit, first | {"name": ["pager"]}).status_code == 302
    answer = save(web, edit, second | {"digest_after": ["9"]})
    assert answer.status_code == 409
    assert [tuple(each) for each in answer.context["form"].overtaken] == [
        ("Name", "pager", ""),
        ("In use", "no", ""),
    ]
    again = sent_from(answer.content.decode())
    assert (again["name"], again["digest_after"], again["enabled"]) == (["pager"], ["9"], [])
    assert save(web, edit, again).status_code == 302
    assert opened(web, edit.address)["name"] == ["pager"]


def test_editing_a_webhook_leaves_its_secret(web, edits):
    edit = edits["channel-edit"]
    values = opened(web, edit.address)
    assert values["secret"] == [""]
    before = notifications.config_of(Channel.objects.get())
    assert save(web, edit, values | {"digest_after": ["7"]}).status_code == 302
    assert notifications.config_of(Channel.objects.get()) == before


def test_a_secret_that_somebody_else_has_changed_is_said_and_not_shown(web, edits):
    edit = edits["channel-edit"]
    first, second = opened(web, edit.address), opened(web, edit.address)
    other = f"whsec_{'QUJE' * 11}"
    assert save(web, edit, first | {"secret": [other]}).status_code == 302
    answer = save(web, edit, second | {"secret": [f"whsec_{'QUJF' * 11}"]})
    assert [tuple(each) for each in answer.context["form"].overtaken] == [
        ("Secret", "changed", "entered anew")
    ]
    assert other not in answer.content.decode()


def test_saving_the_same_twice_is_no_conflict(web, edits):
    edit = edits["limit-change"]
    values = opened(web, edit.address) | {"limit": ["9"]}
    assert save(web, edit, values).status_code == 302
    assert save(web, edit, values).status_code == 302


@pytest.mark.parametrize(
    ("name", "before"),
    [("limit-change", (EditForm, "saved")), ("vcenter-edit", (vcenters, "_connect"))],
)
def test_of_two_that_are_saved_in_the_same_moment_one_is_asked(
    web, vcenter, edits, monkeypatch, name, before
):
    """The other one's change comes after the comparison, and before the writing."""
    edit, (where, what) = edits[name], before
    values = opened(web, edit.address)
    goes_on = getattr(where, what)

    def first_comes_the_other(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(where, what, goes_on)
        assert save(web, edit, values | {edit.field: [edit.theirs]}).status_code == 302
        return goes_on(*args, **kwargs)

    monkeypatch.setattr(where, what, first_comes_the_other)
    answer = save(web, edit, values | {edit.field: [edit.mine]})
    assert answer.status_code == 409
    assert opened(web, edit.address)[edit.field] == [edit.theirs]
