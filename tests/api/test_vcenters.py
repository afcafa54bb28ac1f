"""vCenters: the list, one, and adding one, against a simulated vCenter."""

from __future__ import annotations

import socket

import pytest

from contexts import crypto
from contexts.models import VCenter
from contexts.services import logins, management
from contexts.vsphere.errors import LoginRefused
from tests import factories
from tests.labs import PASSWORD, pinned
from vmrep.lab import LabControl

pytestmark = pytest.mark.any_database


def test_it_is_added_once_the_connection_works(api, lab):
    answer = api.post("vcenters/", pinned(lab))
    assert answer.status_code == 201, answer.json()
    vcenter = VCenter.objects.get()
    assert answer["Location"].endswith(f"/api/v1/vcenters/{vcenter.pk}/")
    assert answer.json() == api.get(f"vcenters/{vcenter.pk}/").json()
    assert vcenter.instance_uuid
    assert "vCenter" in vcenter.product
    assert crypto.unseal(vcenter, "password_encrypted") == PASSWORD


def test_the_password_never_comes_out(api, lab):
    answers = [api.post("vcenters/", pinned(lab)), api.get("vcenters/")]
    answers.append(api.get(f"vcenters/{VCenter.objects.get().pk}/"))
    for answer in answers:
        assert PASSWORD not in answer.content.decode()
        assert "password" not in answer.content.decode()


def test_an_unknown_certificate_is_refused_with_its_fingerprint_to_pin(api, lab):
    body = pinned(lab, trust_mode="verify")
    fingerprint = body.pop("fingerprint_sha256")
    answer = api.post("vcenters/", body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "certificate_not_trusted"
    assert answer.json()["fingerprint_sha256"] == fingerprint
    assert "fingerprint_sha256" in answer.json()["errors"]
    assert not VCenter.objects.exists()


def test_another_certificate_than_the_pinned_one_is_refused(api, lab):
    answer = api.post("vcenters/", pinned(lab, fingerprint_sha256=":".join(["AB"] * 32)))
    assert answer.status_code == 400
    assert answer.json()["code"] == "certificate_changed"
    assert "presented" in answer.json()


def test_a_fingerprint_is_understood_as_openssl_prints_it(api, lab):
    body = pinned(lab)
    body["fingerprint_sha256"] = f"sha256 Fingerprint={body['fingerprint_sha256'].lower()}"
    assert api.post("vcenters/", body).status_code == 201


def test_a_wrong_password_is_refused(api, lab):
    answer = api.post("vcenters/", pinned(lab, password="wrong"))
    assert answer.status_code == 400
    assert answer.json()["code"] == "login_refused"
    assert "password" in answer.json()["errors"]
    assert not VCenter.objects.exists()


def test_an_address_where_nothing_listens_is_a_bad_gateway(api, lab):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    answer = api.post("vcenters/", pinned(lab, port=port))
    assert answer.status_code == 502
    assert answer.json()["code"] == "connection_refused"
    assert "port" in answer.json()["errors"], "somebody is at the host, as the pages say"


def test_a_name_that_does_not_resolve_is_refused(api, lab):
    answer = api.post("vcenters/", pinned(lab, host="nowhere.invalid"))
    assert answer.status_code == 400
    assert answer.json()["code"] == "address_unknown"


def test_a_rebuilt_vcenter_is_confirmed_by_its_new_instance_uuid(api, lab):
    lab_control = LabControl(lab.control_url)
    at = f"vcenters/{api.post('vcenters/', pinned(lab)).json()['id']}/"
    old, new = lab.instance_uuid, lab_control.rebuild_vcenter()
    answer = api.patch(at, {"name": "renamed"})
    assert (answer.status_code, answer.json()["code"]) == (409, "other_estate")
    shown = api.get(at).json()
    assert (shown["instance_uuid"], shown["found_instance_uuid"]) == (old, new)
    assert api.patch(at, {"confirm_instance_uuid": old}).status_code == 409
    answer = api.patch(at, {"confirm_instance_uuid": new})
    assert answer.status_code == 200, answer.json()
    shown = answer.json()
    assert (shown["former_instance_uuid"], shown["instance_uuid"]) == (old, new)
    assert shown["replaced_by"]
    assert shown["replaced_at"]
    assert shown["found_at"] is None


def test_a_refused_login_is_shown(api, lab):
    at = f"vcenters/{api.post('vcenters/', pinned(lab)).json()['id']}/"
    assert api.get(at).json()["login_refused_at"] is None
    logins.refused(VCenter.objects.get(), LoginRefused("no such user"))
    assert api.get(at).json()["login_refused_at"]
    assert api.get(at).json()["login_refused_why"] == "no such user"


@pytest.mark.parametrize(
    "host", ["a b", "a/b", "http://vc", "a\nb", "ü" * 200, "..", "-", "a" * 255, "[", "%", "@x"]
)
def test_a_hostile_host_is_refused(api, lab, host):
    answer = api.post("vcenters/", pinned(lab, host=host))
    assert answer.status_code in (400, 502), answer.content
    assert "host" in answer.json()["errors"]
    assert not VCenter.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"port": "443"}, "port"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"trust_mode": "maybe"}, "trust_mode"),
        ({"trust_mode": []}, "trust_mode"),
        ({"transport": "carrier pigeon"}, "transport"),
        ({"fingerprint_sha256": "AB:CD"}, "fingerprint_sha256"),
        ({"fingerprint_sha256": ""}, "fingerprint_sha256"),
        ({"password": ""}, "password"),
        ({"passwd": "x"}, "passwd"),
        ({"instance_uuid": "x"}, "instance_uuid"),
    ],
)
def test_what_it_does_not_understand_it_refuses_by_name(api, lab, changes, field):
    answer = api.post("vcenters/", pinned(lab, **changes))
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    assert not VCenter.objects.exists()


@pytest.mark.parametrize("same", [{"name": "lab"}, {"host": "127.0.0.1"}], ids=["name", "address"])
def test_it_is_added_once(api, lab, same):
    same.setdefault("name", "other")
    factories.vcenter(**same, **({"port": lab.port} if "host" in same else {}))
    answer = api.post("vcenters/", pinned(lab))
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert VCenter.objects.count() == 1


def test_the_list_counts_vms_and_shows_the_newest_discovery(api):
    vcenter = factories.vcenter("east")
    factories.context("a", at=vcenter)
    management.release(factories.context("b", at=vcenter), actor="ops")
    factories.discovered_vm("c", at=vcenter)
    factories.discovery(vcenter)
    newest = factories.discovery(vcenter, "failed", error_message="It did not answer.")
    (row,) = api.get("vcenters/").json()["results"]
    assert (row["vm_count"], row["context_count"]) == (3, 1)
    assert row["last_discovery"]["id"] == newest.pk
    assert row["last_discovery"]["error_message"] == "It did not answer."


def test_a_vcenter_that_was_never_read_says_so(api):
    factories.vcenter()
    (row,) = api.get("vcenters/").json()["results"]
    assert (row["vm_count"], row["context_count"], row["last_discovery"]) == (0, 0, None)


def test_an_unknown_vcenter_is_not_found(api):
    assert api.get("vcenters/999/").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_rows(api, queries):
    factories.discovery(factories.vcenter())
    one = queries(lambda: api.get("vcenters/"))
    for _ in range(29):
        factories.discovery(factories.vcenter())
    assert queries(lambda: api.get("vcenters/")) == one


# ------------------------------------------------------------------ changing and removing


@pytest.fixture
def added(api, lab):
    return api.post("vcenters/", pinned(lab)).json()["id"]


def test_a_name_changes_without_the_password(api, added):
    answer = api.patch(f"vcenters/{added}/", {"name": "renamed"})
    assert answer.status_code == 200
    assert answer.json()["name"] == "renamed"
    assert crypto.unseal(VCenter.objects.get(), "password_encrypted") == PASSWORD


@pytest.mark.parametrize(
    "changes", [{"host": "localhost"}, {"port": 1}, {"username": "x"}, {"trust_mode": "verify"}]
)
def test_what_decides_who_gets_the_password_asks_for_it_again(api, added, changes):
    answer = api.patch(f"vcenters/{added}/", changes)
    assert answer.status_code == 400
    assert answer.json()["code"] == "vcenter_changed"
    assert "password" in answer.json()["errors"]


def test_a_change_that_does_not_connect_is_not_kept(api, added, lab):
    answer = api.patch(f"vcenters/{added}/", {"host": "nowhere.invalid", "password": PASSWORD})
    assert answer.json()["code"] == "address_unknown"
    assert VCenter.objects.get().host == lab.host


@pytest.mark.parametrize(
    "body", [{"nmae": "x"}, {"port": "443"}, {"fingerprint_sha256": "zz"}, {"instance_uuid": "x"}]
)
def test_a_change_that_it_does_not_understand_is_refused_by_name(api, added, body):
    answer = api.patch(f"vcenters/{added}/", body)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == list(body)


def test_one_that_nothing_depends_on_is_removed(api):
    vcenter = factories.vcenter()
    factories.discovered_vm(at=vcenter)
    assert api.delete(f"vcenters/{vcenter.pk}/").status_code == 204
    assert api.delete(f"vcenters/{vcenter.pk}/").status_code == 404
    assert not VCenter.objects.exists()


def test_one_that_vms_depend_on_is_a_conflict_with_the_counts(api):
    vcenter = factories.vcenter()
    factories.context("a", at=vcenter)
    management.release(factories.context("b", at=vcenter), actor="ops")
    answer = api.delete(f"vcenters/{vcenter.pk}/")
    assert answer.status_code == 409
    assert answer.json()["code"] == "vcenter_in_use"
    assert (answer.json()["managed"], answer.json()["unmanaged"]) == (1, 1)
    assert VCenter.objects.exists()


def test_one_that_is_being_read_is_a_conflict(api):
    vcenter = factories.vcenter()
    factories.discovery(vcenter, "running")
    answer = api.delete(f"vcenters/{vcenter.pk}/")
    assert (answer.status_code, answer.json()["discoveries"]) == (409, 1)
