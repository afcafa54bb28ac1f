"""Adding a vCenter: the address first, then who answers, then the login."""

from __future__ import annotations

import pytest

from contexts import crypto
from contexts.models import VCenter
from tests.labs import PASSWORD
from tests.web.conftest import HTMX, text


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
    assert crypto.unseal(vcenter, "password_encrypted") == PASSWORD
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
        ({"host": "ftp://vc.example.org/"}, "host", "has no ftp:// address"),
        ({"port": "1"}, "port", "127.0.0.1:1"),
        ({"port": "x"}, "port", "whole number"),
        ({"name": ""}, "name", "required"),
        ({"transport": "pigeon"}, "transport", "Select a valid choice"),
        ({"confirm_fingerprint": "zz"}, "confirm_fingerprint", "64 hexadecimal digits"),
    ],
)
def test_what_is_wrong_is_shown_at_its_field(web, filled_in, fingerprint, changes, field, words):
    confirmed = {**filled_in, "confirm_fingerprint": fingerprint}
    answer = web.post("/vcenters/add/", {**confirmed, **changes})
    errors = answer.context["form"].errors
    assert list(errors) == [field]
    assert words in str(errors[field])
    assert PASSWORD not in text(answer)
    assert not VCenter.objects.exists()


def test_the_same_address_twice_is_refused(web, vcenter, filled_in, fingerprint):
    again = {**filled_in, "name": "again", "confirm_fingerprint": fingerprint}
    assert "has already been added" in text(web.post("/vcenters/add/", again))


def test_adding_begins_with_the_address_alone(web):
    page = text(web.get("/vcenters/add/"))
    assert 'name="host"' in page
    assert 'name="password"' not in page


def address(filled_in, **changes):
    known = {name: filled_in[name] for name in ("name", "host", "port")}
    return {**known, "step": "address", **changes}


def test_the_second_step_shows_who_answers_and_asks_for_the_login(web, filled_in, fingerprint):
    page = text(web.post("/vcenters/add/", address(filled_in)))
    assert "cannot verify the server's certificate" in page
    assert "OpenSSL says: self-signed certificate" in page
    assert f'class="btn btn-primary" name="confirm_fingerprint" value="{fingerprint}"' in page
    assert page.count("btn-primary") == 1
    assert 'name="password"' in page
    assert f'value="{filled_in["host"]}"' in page
    assert not VCenter.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"host": "nonexistent.invalid"}, "host", "cannot be resolved"),
        ({"port": "1"}, "port", "refused"),
        ({"port": ""}, "port", "required"),
        ({"host": "a b"}, "host", "neither a host name nor an IP"),
    ],
)
def test_what_is_wrong_with_an_address_is_shown_before_the_login(
    web, filled_in, changes, field, words
):
    answer = web.post("/vcenters/add/", address(filled_in, **changes))
    assert words in str(answer.context["form"].errors[field])
    assert 'name="password"' not in text(answer)


def test_a_name_that_is_taken_is_shown_before_the_login(web, filled_in, vcenter):
    answer = web.post("/vcenters/add/", address(filled_in))
    assert "already has this name" in str(answer.context["form"].errors["name"])


def test_the_pin_is_remembered_after_a_wrong_password(web, filled_in, fingerprint):
    confirmed = {**filled_in, "confirm_fingerprint": fingerprint}
    page = text(web.post("/vcenters/add/", {**confirmed, "password": "wrong"}))
    assert "This certificate will be pinned" in page
    assert f'type="hidden" name="confirm_fingerprint" value="{fingerprint}"' in page
    web.post("/vcenters/add/", confirmed)
    assert VCenter.objects.get().fingerprint_sha256 == fingerprint


def test_missing_privileges_are_a_warning_that_names_them(web, filled_in, fingerprint, lab_control):
    lab_control.deny_privilege("VirtualMachine.State.CreateSnapshot")
    added = {**filled_in, "confirm_fingerprint": fingerprint}
    answer = web.post("/vcenters/add/", added, follow=True)
    assert VCenter.objects.count() == 1
    (warning,) = [each for each in answer.context["messages"] if each.level_tag == "warning"]
    assert "VirtualMachine.State.CreateSnapshot: No snapshot can be taken" in str(warning)


def test_an_account_that_can_read_nothing_is_refused(web, filled_in, fingerprint, lab_control):
    lab_control.deny_privilege("System.View")
    answer = web.post("/vcenters/add/", {**filled_in, "confirm_fingerprint": fingerprint})
    assert "System.View" in str(answer.context["form"].errors["username"])
    assert not VCenter.objects.exists()


def test_an_address_is_taken_as_it_was_copied(web, filled_in, fingerprint):
    copied = f" https://{filled_in['host']}:{filled_in['port']}/ui/app/vms "
    confirmed = {**filled_in, "confirm_fingerprint": fingerprint}
    web.post("/vcenters/add/", {**confirmed, "host": copied, "port": "443"})
    added = VCenter.objects.get()
    assert (added.host, str(added.port)) == (filled_in["host"], str(filled_in["port"]))
