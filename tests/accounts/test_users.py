"""Admins manage users, and cannot lock everybody out."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contexts.trail import Kind
from contexts.trail import Verb as Change
from tests import factories
from vmrep import access
from vmrep.access import Verb
from vmrep.accounts import users
from vmrep.accounts.models import Scope
from vmrep.accounts.roles import Role
from vmrep.accounts.standing import Place, standing_of
from vmrep.accounts.users import UserRefused
from vmrep.trail.models import Event

pytestmark = pytest.mark.any_database
PASSWORD = "correct-horse-9-battery"


def again(user: User) -> User:
    """As the next request reads it."""
    return User.objects.get(pk=user.pk)


def test_a_role_is_what_the_group_says_and_a_superuser_is_an_admin(db):
    ann = users.add("ann", PASSWORD, Role.VIEWER, actor="chief")
    assert standing_of(ann) == (Role.VIEWER, None)
    factories.user("chief")
    users.set_role(ann, Role.OPERATOR, actor="chief")
    assert standing_of(again(ann)) == (Role.OPERATOR, None)
    users.set_role(ann, None, actor="chief")
    assert not access.may(again(ann), Verb.VIEW, User)
    assert standing_of(again(ann)).role is None
    assert standing_of(factories.user("root", is_superuser=True)) == (Role.ADMIN, None)
    users.set_active(ann, False, actor="chief")
    assert standing_of(again(ann)).role is None


def test_who_is_disabled_or_demoted_is_told_of_and_is_out_at_once(db):
    factories.user("chief")
    ann = users.add("ann", PASSWORD, Role.VIEWER, actor="chief")
    root = factories.user("root", is_superuser=True, is_staff=True)
    web = Client()
    web.force_login(ann)
    users.set_active(ann, False, actor="chief")
    told = Event.objects.filter(kind=Kind.USER).first()
    assert told is not None
    assert (told.object_name, told.verb) == ("ann", Change.CHANGE)
    assert (told.old_values, told.new_values) == ({"is_active": True}, {"is_active": False})
    users.set_active(ann, True, actor="chief")
    assert web.get("/account/").status_code == 302  # the session of before does not come back
    users.set_role(root, Role.VIEWER, actor="chief")
    told = Event.objects.filter(kind=Kind.USER, object_name="root").first()
    assert told is not None
    assert told.old_values == {"is_superuser": True, "is_staff": True}
    assert told.new_values == {"is_superuser": False, "is_staff": False}


@pytest.mark.parametrize("act", ["role", "disable", "place"])
def test_the_last_admin_who_sees_all_stays_one(db, act):
    last = factories.user("last", role="admin")
    vcenter = factories.vcenter()
    factories.scope(factories.user("of-a-place", role="admin"), vcenter)
    factories.user("gone", role="admin", is_active=False)

    def take_away() -> None:
        if act == "role":
            users.set_role(last, Role.OPERATOR, actor="chief")
        elif act == "disable":
            users.set_active(last, False, actor="chief")
        else:
            users.add_place(last, vcenter, "", actor="chief")

    with pytest.raises(UserRefused, match="only admin"):
        take_away()
    assert standing_of(again(last)) == (Role.ADMIN, None)
    factories.user("other", role="admin")
    take_away()
    assert standing_of(again(last)) != (Role.ADMIN, None)


def test_nobody_comes_to_see_everything_by_losing_a_place(db):
    ann = factories.user("ann", role="viewer")
    one, other = factories.vcenter(), factories.vcenter()
    first = users.add_place(ann, one, "Lab/vm/prod/", actor="chief")
    users.add_place(ann, other, "", actor="chief")
    assert standing_of(again(ann)).places == {Place(one.pk, "/Lab/vm/prod"), Place(other.pk, "")}
    with pytest.raises(UserRefused, match="already"):
        users.add_place(ann, other, "/", actor="chief")
    other.delete()
    assert standing_of(again(ann)).places == {Place(one.pk, "/Lab/vm/prod")}
    users.remove_place(first, actor="chief")
    assert standing_of(again(ann)).places == frozenset()  # what is gone shows nothing
    with pytest.raises(UserRefused, match="see all"):
        users.remove_place(Scope.objects.get(), actor="chief")
    users.let_see_all(ann, actor="chief")
    assert standing_of(again(ann)).places is None


def test_the_places_of_a_users_groups_count_too(db):
    ann = factories.user("ann", role="viewer")
    vcenter = factories.vcenter()
    ann.groups.add(team := ann.groups.create(name="team"))
    Scope.objects.create(group=team, vcenter=vcenter, vcenter_name="x", created_by="chief")
    assert standing_of(again(ann)).places == {Place(vcenter.pk, "")}


@pytest.fixture
def chief(db: None) -> Client:
    client = Client()
    client.force_login(factories.user("chief", role="admin"))
    return client


def test_a_user_is_added_on_a_page_and_logs_in(chief, client):
    weak = chief.post("/users/add/", {"username": "ann", "password": "ann", "role": "viewer"})
    assert b"too short" in weak.content
    answer = chief.post(
        "/users/add/", {"username": "ann", "password": PASSWORD, "role": "viewer"}, follow=True
    )
    assert b"The user ann was added." in answer.content
    taken = chief.post("/users/add/", {"username": "ann", "password": PASSWORD, "role": ""})
    assert b"already exists" in taken.content
    assert client.login(username="ann", password=PASSWORD)
    page = client.get("/virtual-machines/").content
    assert b'href="/users/"' not in page
    assert b'href="/admin/"' not in page


def test_a_users_page_sets_role_place_password_and_login(chief, client):
    ann = factories.user("ann", role="viewer")
    vcenter = factories.vcenter("Bonn <b>")
    client.force_login(ann)
    here = f"/users/{ann.pk}/"

    def post(**body: object) -> str:
        return chief.post(here, body, follow=True).content.decode()

    assert "The role was set" in post(act="role", role="operator")
    assert "sees that place" in post(act="place", vcenter=vcenter.pk, folder="/Lab/vm/prod")
    assert "Bonn &lt;b&gt;" in chief.get("/users/").content.decode()
    assert "Without this place" in post(act="leave", place=ann.scopes.get().pk)
    assert "sees all VMs" in post(act="all")
    assert "too short" in post(act="password", password="x")
    assert client.get("/jobs/").status_code == 200
    assert "has to log in again" in post(act="password", password=PASSWORD)
    assert client.get("/jobs/").status_code == 302
    client.force_login(again(ann))
    assert "is disabled" in post(act="disable")
    assert client.get("/jobs/").status_code == 302
    assert (
        "cannot disable yourself"
        in chief.post(
            f"/users/{User.objects.get(username='chief').pk}/", {"act": "disable"}, follow=True
        ).content.decode()
    )
    assert "Nothing was done" in post(act="fly")
    assert chief.post(here, {"act": "leave", "place": "999"}).status_code == 404


def test_whoever_has_no_role_is_told_so(client, db):
    client.force_login(factories.user("ann", is_superuser=False))
    page = client.get("/virtual-machines/")
    assert page.status_code == 403
    assert "Your account has no role yet" in page.content.decode()
    assert client.get("/account/tokens/").status_code == 200
    answer = client.get("/api/v1/vm-contexts/")
    assert (answer.status_code, "no role yet" in answer.json()["message"]) == (403, True)
