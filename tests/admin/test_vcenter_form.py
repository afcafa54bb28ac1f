"""vCenters are added and changed through the service, which tests the connection."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from contexts import crypto
from contexts.models import DiscoveredVM, VCenter
from contexts.services import vcenters
from contexts.states import DiscoveryStatus
from tests import factories
from tests.admin.estate import address
from tests.labs import PASSWORD, pinned
from vmrep.lab import Lab


def filled(lab: Lab, **changes: object) -> dict:
    return pinned(lab, **{"transport": "datastore", **changes})


@pytest.fixture
def added(admin, lab) -> VCenter:
    assert admin.post(address(VCenter, "add"), filled(lab)).status_code == 302
    return VCenter.objects.get()


def errors(answer) -> dict:
    assert answer.status_code == 200
    return answer.context["adminform"].form.errors


def test_it_is_added_once_the_connection_works(added):
    assert added.instance_uuid
    assert crypto.unseal(added, "password_encrypted") == PASSWORD


def test_the_password_is_asked_for_and_never_shown(admin, added):
    html = admin.get(address(VCenter, "change", added.pk)).content.decode()
    assert 'type="password"' in html
    assert PASSWORD not in html
    assert added.password_encrypted not in html


def test_a_refused_form_does_not_send_the_password_back(admin, lab):
    answer = admin.post(address(VCenter, "add"), filled(lab, name="", password="wrong-s3cret"))
    assert "wrong-s3cret" not in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password": "wrong"}, "password"),
        ({"password": ""}, "password"),
        ({"host": "nowhere.invalid"}, "host"),
        ({"host": "a b"}, "host"),
        ({"trust_mode": "verify", "fingerprint_sha256": ""}, "fingerprint_sha256"),
        ({"fingerprint_sha256": ":".join(["AB"] * 32)}, "fingerprint_sha256"),
        ({"fingerprint_sha256": "AB"}, "fingerprint_sha256"),
        ({"fingerprint_sha256": ""}, "__all__"),
        ({"port": "0"}, "port"),
    ],
)
def test_what_is_wrong_is_an_error_of_the_form(admin, lab, changes, field):
    answer = admin.post(address(VCenter, "add"), filled(lab, **changes))
    assert list(errors(answer)) == [field]
    assert not VCenter.objects.exists()


def test_a_name_that_is_taken_is_an_error_of_the_form(admin, lab):
    factories.vcenter("lab")
    assert list(errors(admin.post(address(VCenter, "add"), filled(lab)))) == ["name"]


def test_the_name_is_changed_without_the_password(admin, lab, added):
    body = filled(lab, name="renamed", password="")
    assert admin.post(address(VCenter, "change", added.pk), body).status_code == 302
    added.refresh_from_db()
    assert added.name == "renamed"
    assert crypto.unseal(added, "password_encrypted") == PASSWORD


def test_another_address_needs_the_password_again(admin, lab, added):
    body = filled(lab, host="localhost", password="")
    answer = admin.post(address(VCenter, "change", added.pk), body)
    assert list(errors(answer)) == ["password"]
    added.refresh_from_db()
    assert added.host == lab.host


def test_a_wrong_new_password_is_not_kept(admin, lab, added):
    body = filled(lab, password="wrong")
    assert list(errors(admin.post(address(VCenter, "change", added.pk), body))) == ["password"]
    added.refresh_from_db()
    assert crypto.unseal(added, "password_encrypted") == PASSWORD


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_vcenter_is_asked(admin, lab, monkeypatch):
    """On SQLite it would keep every worker from writing until the vCenter answers."""
    seen = []
    test_connection = vcenters.test_connection

    def watched(*given):
        seen.append(connection.in_atomic_block)
        return test_connection(*given)

    monkeypatch.setattr(vcenters, "test_connection", watched)
    assert admin.post(address(VCenter, "add"), filled(lab)).status_code == 302
    assert seen == [False]


def test_it_is_deleted_with_what_was_only_discovered(admin):
    vm = factories.discovered_vm()
    factories.discovery(vm.vcenter)
    answer = admin.post(address(VCenter, "delete", vm.vcenter_id), {"post": "yes"})
    assert answer.status_code == 302
    assert not VCenter.objects.exists()
    assert not DiscoveredVM.objects.exists()


@pytest.mark.parametrize("how", ["its own page", "the list"])
def test_it_is_not_deleted_while_a_discovery_runs(admin, said, how):
    """As the service has it, for pages and API alike; of several, none is deleted."""
    busy = factories.vcenter()
    factories.discovery(busy, DiscoveryStatus.RUNNING)
    keys = [factories.vcenter().pk, busy.pk]
    if how == "its own page":
        answer = admin.post(address(VCenter, "delete", busy.pk), {"post": "yes"})
    else:
        body = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
        answer = admin.post(address(VCenter, "changelist"), body)
    assert answer.status_code == 302
    assert [text for text in said(answer) if "A discovery of" in text and "is running" in text]
    assert VCenter.objects.count() == len(keys)
    assert not LogEntry.objects.exists()


def test_it_is_not_deleted_while_a_context_depends_on_it(admin):
    vcenter = factories.context().vcenter
    answer = admin.post(address(VCenter, "delete", vcenter.pk), {"post": "yes"})
    assert answer.status_code == 200
    assert "protected" in answer.content.decode()
    assert VCenter.objects.exists()
