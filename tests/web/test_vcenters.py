"""vCenters: listed, changed, tested and removed, against a real endpoint."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from contexts import crypto
from contexts.models import VCenter, VMContext
from contexts.services import management
from contexts.states import DiscoveryStatus
from tests import factories
from tests.labs import PASSWORD
from tests.web.conftest import HTMX, notices, text


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
    assert crypto.unseal(vcenter, "password_encrypted") == PASSWORD


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
    factories.repoint(fingerprint_sha256=":".join(["00"] * 32))
    changed = {**filled_in, "trust_mode": "pin"}
    page = text(web.post(f"/vcenters/{vcenter.pk}/", changed))
    assert "a certificate that is not the pinned one" in page
    assert f'value="{fingerprint}"' in page
    web.post(f"/vcenters/{vcenter.pk}/", {**changed, "confirm_fingerprint": fingerprint})
    vcenter.refresh_from_db()
    assert vcenter.fingerprint_sha256 == fingerprint


def test_an_unknown_vcenter_is_not_found(web):
    assert web.get("/vcenters/99/").status_code == 404


def test_a_fingerprint_breaks_only_after_a_colon(web, vcenter, fingerprint):
    page = text(web.get(f"/vcenters/{vcenter.pk}/"))
    assert f'Pinned now: <span class="fingerprint">{fingerprint.replace(":", ":<wbr>")}<' in page


def test_asking_for_verification_of_a_pinned_certificate_is_no_alarm(
    web, vcenter, filled_in, fingerprint
):
    changed = {**filled_in, "trust_mode": "verify"}
    page = text(web.post(f"/vcenters/{vcenter.pk}/", changed))
    assert "This machine cannot verify the server's certificate" in page
    assert "no longer presents the confirmed certificate" not in page
    assert "the same one" in page


# ------------------------------------------------------------------ privileges, testing


def steps_of(web, vcenter) -> dict[str, tuple[str, str]]:
    answer = web.post(f"/vcenters/{vcenter.pk}/test/")
    return {step.name: (step.outcome, step.text) for step in answer.context["report"].steps}


def test_a_test_says_what_works(web, vcenter):
    steps = steps_of(web, vcenter)
    assert {outcome for outcome, _ in steps.values()} == {"ok"}
    assert "vCenter" in steps["Identity"][1]
    assert "sees 2 VMs" in steps["Privileges"][1]


def test_a_test_names_the_missing_privilege_and_what_it_costs(web, vcenter, lab_control):
    VCenter.objects.update(transport="datastore")
    lab_control.deny_privilege("Datastore.Browse")
    page = text(web.post(f"/vcenters/{vcenter.pk}/test/"))
    assert "The connection works, but not for everything" in page
    assert "Datastore.Browse" in page
    assert "Disks cannot be read as datastore files." in page


@pytest.mark.parametrize("transport", ["nfc", "auto"])
def test_a_test_misses_no_right_that_is_not_needed(web, vcenter, lab_control, transport):
    """NFC needs none on datastores; auto does where a VM is really read from its files."""
    VCenter.objects.update(transport=transport)
    lab_control.deny_privilege("Datastore.Browse")
    assert steps_of(web, vcenter)["Privileges"][0] == "ok"
    context = factories.context(at=vcenter)
    VMContext.objects.filter(pk=context.pk).update(transport="datastore")
    read_from_files = "warning" if transport == "auto" else "ok"
    assert steps_of(web, vcenter)["Privileges"][0] == read_from_files


@pytest.mark.parametrize(
    ("columns", "failing", "words"),
    [
        ({"host": "nonexistent.invalid"}, "Connection", "cannot be resolved"),
        ({"port": 1}, "Connection", "refused"),
        ({"fingerprint_sha256": ":".join(["00"] * 32)}, "Certificate", "no longer presents"),
        ({"trust_mode": "verify"}, "Certificate", "not trusted"),
        ({"instance_uuid": "another"}, "Identity", "another vCenter"),
        ({"username": "nobody"}, "Login", "wrong"),
        ({"password_encrypted": "not readable"}, "Login", ""),
    ],
)
def test_a_test_says_at_which_step_it_failed(web, vcenter, columns, failing, words):
    factories.repoint(**columns)
    steps = steps_of(web, vcenter)
    assert [name for name, (outcome, _) in steps.items() if outcome == "failed"] == [failing]
    assert words in steps[failing][1]
    outcomes = [outcome for outcome, _ in steps.values()]
    at = outcomes.index("failed")
    assert set(outcomes[:at]) <= {"ok"}
    assert set(outcomes[at + 1 :]) <= {"not_reached"}


def test_with_htmx_the_result_alone_comes_back(web, vcenter):
    part = text(web.post(f"/vcenters/{vcenter.pk}/test/", headers=HTMX))
    assert "<html" not in part
    assert "The connection works" in part
    assert PASSWORD not in part


@pytest.mark.any_database
def test_a_test_shows_an_operator_no_form_and_no_button_of_an_admin(db, monkeypatch):
    """Whoever may test a vCenter does not see how to change, confirm or remove it."""
    vcenter = factories.vcenter(found_instance_uuid="x", found_at=timezone.now())
    monkeypatch.setattr("contexts.services.connections.test", lambda _: None)
    web = Client()
    for role, offered in (("operator", False), ("admin", True)):
        web.force_login(factories.user(role, role=role))
        page = text(web.post(f"/vcenters/{vcenter.pk}/test/"))
        assert "vcenter-form" not in page
        assert "was rebuilt" not in page
        assert "Remove this" not in page
        assert "Test connection" in page
        assert (f'href="/vcenters/{vcenter.pk}/"' in page) is offered


@pytest.mark.parametrize("address", ["test/"])
def test_testing_takes_only_a_post(web, vcenter, address):
    assert web.get(f"/vcenters/{vcenter.pk}/{address}").status_code == 405


def test_a_command_that_serves_nbd_must_be_in_the_settings_file(
    web, vcenter, filled_in, settings, tmp_path
):
    settings.NBD_COMMANDS = tmp_path / "commands.toml"
    settings.NBD_COMMANDS.write_text('[mine]\ncommand = ["nbdkit", "--unix={socket}"]\n')
    changed = filled_in | {"trust_mode": "pin", "transport": "nbd", "password": PASSWORD}
    answer = text(web.post(f"/vcenters/{vcenter.pk}/", changed))
    assert "A command that serves NBD needs its name." in answer
    answer = text(web.post(f"/vcenters/{vcenter.pk}/", changed | {"nbd_command": "other"}))
    assert "has no command “other”" in answer
    saved = web.post(f"/vcenters/{vcenter.pk}/", changed | {"nbd_command": "mine"})
    assert saved.status_code == 302
    vcenter.refresh_from_db()
    assert (vcenter.transport, vcenter.nbd_command) == ("nbd", "mine")


def test_the_transport_that_was_chosen_is_kept_and_shown(web, vcenter, filled_in):
    changed = filled_in | {"trust_mode": "pin", "transport": "nfc", "password": PASSWORD}
    assert web.post(f"/vcenters/{vcenter.pk}/", changed).status_code == 302
    vcenter.refresh_from_db()
    assert vcenter.transport == "nfc"
    page = " ".join(text(web.get(f"/vcenters/{vcenter.pk}/")).split())
    assert 'id="transport-nfc" checked' in page
    assert 'id="transport-datastore" checked' not in page


# ------------------------------------------------------------------ removing


def test_a_vcenter_that_nothing_depends_on_is_removed_with_what_was_discovered(web):
    vcenter = factories.vcenter("old")
    factories.discovered_vm(at=vcenter)
    factories.discovery(vcenter)
    page = text(web.get(f"/vcenters/{vcenter.pk}/remove/"))
    assert "What was discovered in it: 1 VM." in page
    answer = web.post(f"/vcenters/{vcenter.pk}/remove/", follow=True)
    assert notices(answer) == ["old was removed."]
    assert not VCenter.objects.exists()


def test_one_that_vms_depend_on_names_them_and_stays(web):
    vcenter, repository = factories.vcenter("busy"), factories.repository()
    factories.context("managed", at=vcenter, keep_in=repository)
    former = factories.context("former", at=vcenter, keep_in=repository)
    management.release(former, actor="ops")
    page = text(web.get(f"/vcenters/{vcenter.pk}/remove/"))
    assert f'href="/virtual-machines/?vcenter={vcenter.pk}">1 VM under management' in page
    assert f'href="/virtual-machines/?vm={former.pk}">former' in page
    assert "btn-danger" not in page
    answer = web.post(f"/vcenters/{vcenter.pk}/remove/", follow=True)
    assert "busy cannot be removed, because vmrep keeps the history of 2 VMs" in notices(answer)[0]
    assert VCenter.objects.get() == vcenter


# ------------------------------------------------------------------ refused and rebuilt


def test_a_refused_login_is_shown_until_a_test_works(web, vcenter, lab, lab_control):
    lab_control.set_password("another")
    assert steps_of(web, vcenter)["Login"][0] == "failed"
    assert "Login refused" in text(web.get("/vcenters/"))
    page = text(web.get(f"/vcenters/{vcenter.pk}/"))
    assert "vmrep does not log in by itself" in page
    assert "incorrect user name or password" in page
    lab_control.set_password(lab.password)
    assert steps_of(web, vcenter)["Login"][0] == "ok"
    assert "Login refused" not in text(web.get("/vcenters/"))


def test_a_rebuilt_vcenter_is_confirmed_at_its_page(web, vcenter, lab, lab_control):
    old, new = lab.instance_uuid, lab_control.rebuild_vcenter()
    assert steps_of(web, vcenter)["Identity"][0] == "failed"
    assert "Another vCenter answers" in text(web.get("/vcenters/"))
    page = text(web.get(f"/vcenters/{vcenter.pk}/"))
    assert old in page
    assert new in page
    at = f"/vcenters/{vcenter.pk}/replace/"
    web.post(at, {"confirm_instance_uuid": old})
    assert VCenter.objects.get().instance_uuid == old
    web.post(at, {"confirm_instance_uuid": new})
    assert VCenter.objects.get().instance_uuid == new
    page = text(web.get(f"/vcenters/{vcenter.pk}/"))
    assert "Confirmed as rebuilt by" in page
    assert old in page


def test_a_rebuilt_vcenter_with_a_new_certificate_is_confirmed_in_the_form(
    web, vcenter, filled_in, lab, lab_control, fingerprint
):
    factories.repoint(fingerprint_sha256=":".join(["00"] * 32))
    new = lab_control.rebuild_vcenter()
    at = f"/vcenters/{vcenter.pk}/"
    changed = {**filled_in, "trust_mode": "pin"}
    page = text(web.post(at, changed))
    assert f'name="confirm_fingerprint" value="{fingerprint}"' in page
    changed["confirm_fingerprint"] = fingerprint
    page = text(web.post(at, changed))
    assert f'name="confirm_instance_uuid" value="{new}"' in page
    web.post(at, {**changed, "confirm_instance_uuid": new})
    saved = VCenter.objects.get()
    assert (saved.instance_uuid, saved.fingerprint_sha256) == (new, fingerprint)
