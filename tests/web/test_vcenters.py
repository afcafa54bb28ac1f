"""vCenters: listed, added and changed, against a real endpoint."""

from __future__ import annotations

import pytest

from contexts import crypto
from contexts.models import VCenter
from contexts.services import vcenters
from contexts.states import DiscoveryStatus
from tests import factories
from tests.labs import PASSWORD
from tests.web.conftest import HTMX, text


@pytest.fixture
def filled_in(lab):
    """What somebody types to add the lab."""
    return {
        "name": "lab",
        "host": lab.host,
        "port": lab.port,
        "username": lab.username,
        "password": PASSWORD,
        "transport": "datastore",
    }


@pytest.fixture
def fingerprint(lab):
    return vcenters.presented_certificate(lab.host, lab.port).fingerprint_sha256


@pytest.fixture
def vcenter(db, filled_in, fingerprint):
    return vcenters.add(**filled_in, trust_mode="pin", fingerprint_sha256=fingerprint)


def test_the_list_says_how_each_is_doing(web):
    vcenter = factories.vcenter("lab")
    factories.context(at=vcenter)
    factories.discovered_vm(at=vcenter)
    factories.discovery(vcenter, DiscoveryStatus.FAILED, error_message="Refused.")
    page = text(web.get("/vcenters/"))
    assert '<td class="number">2</td>' in page
    assert '<td class="number hide-4">1</td>' in page
    assert "Failed" in page
    assert "Refused." in page
    assert vcenter.product in page


def test_an_empty_list_says_what_to_do(web):
    assert "No vCenter yet" in text(web.get("/vcenters/"))


def test_the_number_of_queries_does_not_grow_with_the_rows(web, queries):
    factories.vcenter()
    one = queries(lambda: web.get("/vcenters/"))
    for _ in range(29):
        factories.vcenter()
    assert queries(lambda: web.get("/vcenters/")) == one


def test_a_certificate_that_cannot_be_verified_is_shown_first(web, filled_in, fingerprint):
    answer = web.post("/vcenters/add/", filled_in)
    page = text(answer)
    assert "cannot verify the server's certificate" in page
    assert f'name="confirm_fingerprint" value="{fingerprint}"' in page
    assert "Issued by" in page
    assert PASSWORD not in page
    assert not VCenter.objects.exists()


def test_a_confirmed_certificate_is_pinned(web, filled_in, fingerprint):
    answer = web.post("/vcenters/add/", {**filled_in, "confirm_fingerprint": fingerprint})
    vcenter = VCenter.objects.get()
    assert answer["Location"] == f"/discovery/?vcenter={vcenter.pk}"
    assert (vcenter.trust_mode, vcenter.fingerprint_sha256) == ("pin", fingerprint)
    assert crypto.decrypt(vcenter.password_encrypted) == PASSWORD
    assert vcenter.instance_uuid


def test_another_certificate_than_the_confirmed_one_is_shown_again(web, filled_in, fingerprint):
    answer = web.post("/vcenters/add/", {**filled_in, "confirm_fingerprint": "00" * 32})
    assert f'value="{fingerprint}"' in text(answer)
    assert not VCenter.objects.exists()


def test_with_htmx_the_form_alone_comes_back_and_success_leaves(web, filled_in, fingerprint):
    part = text(web.post("/vcenters/add/", filled_in, headers=HTMX))
    assert "<html" not in part
    assert 'id="vcenter-form"' in part
    confirmed = {**filled_in, "confirm_fingerprint": fingerprint}
    answer = web.post("/vcenters/add/", confirmed, headers=HTMX)
    assert answer["HX-Redirect"] == f"/discovery/?vcenter={VCenter.objects.get().pk}"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"password": "wrong"}, "password", "user name or password is wrong"),
        ({"host": "no-such-host.invalid"}, "host", "no-such-host.invalid"),
        ({"host": "https://vc.example.org/ui"}, "host", "without a path"),
        ({"port": "1"}, "port", "127.0.0.1:1"),
        ({"port": "x"}, "port", "whole number"),
        ({"name": ""}, "name", "required"),
        ({"transport": "vddk"}, "transport", "Select a valid choice"),
        ({"confirm_fingerprint": "zz"}, "confirm_fingerprint", "64 hexadecimal digits"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(web, filled_in, fingerprint, changes, field, words):
    confirmed = {**filled_in, "confirm_fingerprint": fingerprint}
    answer = web.post("/vcenters/add/", {**confirmed, **changes})
    errors = answer.context["form"].errors
    assert list(errors) == [field]
    assert words in str(errors[field])
    assert PASSWORD not in text(answer)
    assert not VCenter.objects.exists()


def test_the_same_address_twice_is_refused(web, vcenter, filled_in, fingerprint):
    again = {**filled_in, "name": "again", "confirm_fingerprint": fingerprint}
    assert "has been added already" in text(web.post("/vcenters/add/", again))


def test_no_page_shows_a_password_or_its_encryption(web, vcenter):
    for address in ("/vcenters/", f"/vcenters/{vcenter.pk}/"):
        page = text(web.get(address))
        assert PASSWORD not in page
        assert vcenter.password_encrypted not in page


def test_a_name_can_change_without_the_password(web, vcenter, filled_in):
    changed = {**filled_in, "name": "renamed", "password": "", "trust_mode": "pin"}
    answer = web.post(f"/vcenters/{vcenter.pk}/", changed)
    assert answer["Location"] == "/vcenters/"
    vcenter.refresh_from_db()
    assert vcenter.name == "renamed"
    assert vcenter.trust_mode == "pin"
    assert crypto.decrypt(vcenter.password_encrypted) == PASSWORD


@pytest.mark.parametrize(
    "changes", [{"host": "localhost"}, {"username": "x"}, {"trust_mode": "verify"}]
)
def test_what_decides_who_gets_the_password_asks_for_it_again(web, vcenter, filled_in, changes):
    changed = {**filled_in, "password": "", "trust_mode": "pin", **changes}
    answer = web.post(f"/vcenters/{vcenter.pk}/", changed)
    assert "enter the password again" in str(answer.context["form"].errors["password"])
    before = VCenter.objects.get()
    assert (before.host, before.username, before.trust_mode) == (
        vcenter.host,
        vcenter.username,
        "pin",
    )


def test_a_refused_change_shows_the_vcenter_as_it_is(web, vcenter, filled_in):
    changed = {**filled_in, "name": "renamed", "password": "wrong", "trust_mode": "pin"}
    page = text(web.post(f"/vcenters/{vcenter.pk}/", changed))
    assert "<h1>lab</h1>" in page


def test_a_changed_certificate_is_shown_and_can_be_pinned(web, vcenter, filled_in, fingerprint):
    VCenter.objects.update(fingerprint_sha256=":".join(["00"] * 32))
    changed = {**filled_in, "trust_mode": "pin"}
    page = text(web.post(f"/vcenters/{vcenter.pk}/", changed))
    assert "another certificate than the pinned one" in page
    assert f'value="{fingerprint}"' in page
    web.post(f"/vcenters/{vcenter.pk}/", {**changed, "confirm_fingerprint": fingerprint})
    vcenter.refresh_from_db()
    assert vcenter.fingerprint_sha256 == fingerprint


def test_an_unknown_vcenter_is_not_found(web):
    assert web.get("/vcenters/99/").status_code == 404
