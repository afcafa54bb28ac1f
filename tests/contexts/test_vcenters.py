"""Adding, changing and removing vCenters."""

import threading
import time
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection

from contexts import crypto, trail
from contexts.errors import ContextError, UnknownVCenter, VCenterChanged, VCenterInUse
from contexts.models import VCenter, VMContext
from contexts.services import management, transactions, vcenters
from contexts.vsphere.errors import (
    AddressUnknown,
    CertificateChanged,
    CertificateNotTrusted,
    LoginRefused,
    OtherEstate,
)
from tests import factories
from tests.at_once import in_threads, on_postgresql
from tests.sync.estate import PASSWORD
from vmrep.trail import writer


def _add(estate, **changes):
    VCenter.objects.all().delete()
    return vcenters.add(
        **{
            "name": "again",
            "host": estate.lab.host,
            "port": estate.lab.port,
            "username": "administrator@vsphere.local",
            "password": PASSWORD,
            "trust_mode": "pin",
            "fingerprint_sha256": estate.vcenter.fingerprint_sha256,
            **changes,
        }
    )


def test_it_remembers_which_estate_answered(estate):
    assert estate.vcenter.instance_uuid
    assert "vCenter" in estate.vcenter.product


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"password": "wrong"}, LoginRefused),
        ({"fingerprint_sha256": "00" * 32}, CertificateChanged),
        ({"trust_mode": "verify"}, CertificateNotTrusted),
        ({"host": "no-such-host.invalid"}, AddressUnknown),
        ({"transport": "nbd"}, ValidationError),
        ({"trust_mode": "pin", "fingerprint_sha256": ""}, ValidationError),
    ],
)
def test_what_does_not_work_is_not_kept(estate, changes, error):
    with pytest.raises(error) as refusal:
        _add(estate, **changes)
    assert not VCenter.objects.exists()
    assert PASSWORD not in str(refusal.value)


def test_another_address_or_user_needs_the_password_again(estate):
    for change in ({"host": "evil.example.org"}, {"port": 1}, {"username": "x"}):
        with pytest.raises(VCenterChanged):
            vcenters.update(VCenter.objects.get(), **change)
    assert VCenter.objects.get().host == estate.lab.host


def test_a_name_can_change_without_the_password(estate):
    vcenters.update(estate.vcenter, name="renamed")
    assert VCenter.objects.get().name == "renamed"
    assert crypto.unseal(VCenter.objects.get(), "password_encrypted") == PASSWORD


def test_an_address_that_answers_as_another_estate_is_refused(estate):
    VCenter.objects.update(instance_uuid="another-estate")
    with pytest.raises(OtherEstate):
        vcenters.update(VCenter.objects.get(), name="renamed")


# ------------------------------------------------------------------ removing


@pytest.mark.django_db(transaction=True)
def test_whoever_takes_a_vm_of_a_vcenter_that_is_being_removed_loses_or_wins_but_not_both():
    """Removal and taking at once, again and again: either the VM is taken and the vCenter stays,
    or the vCenter goes and nothing is taken."""
    for number in range(8):
        vcenter, repository = factories.vcenter(), factories.repository()
        vm = factories.discovered_vm(f"vm-{number}", at=vcenter)
        outcomes = raised_at_once(
            lambda vcenter=vcenter: vcenters.remove(vcenter),
            lambda vm=vm, repository=repository: management.take(
                [vm], repository=repository, actor="ops"
            ),
        )
        taken = VMContext.objects.filter(vcenter=vcenter.pk).exists()
        assert VCenter.objects.filter(pk=vcenter.pk).exists() == taken
        assert sum(outcome is None for outcome in outcomes) == 1
        removed, took = outcomes
        assert isinstance(removed, VCenterInUse) if taken else isinstance(took, Exception)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_row_while_others_wait_to_write_the_trail(monkeypatch):
    """The removal holds the vCenter's row and wants the trail next. Whoever takes a VM wants that
    row, by a foreign key that is checked at the end: before the trail, or both would wait."""
    vcenter, repository = factories.vcenter(), factories.repository()
    vm = factories.discovered_vm("vm", at=vcenter)
    holds_the_vcenter, wrote = threading.Event(), threading.Event()
    require_unused, write = vcenters._require_unused, writer.write

    def slowly(locked):
        require_unused(locked)
        holds_the_vcenter.set()
        while not (wrote.is_set() or somebody_waits()):
            time.sleep(0.01)

    def writing(acts):
        write(acts)
        wrote.set()

    def take():
        assert holds_the_vcenter.wait(10)
        management.take([vm], repository=repository, actor="ops")

    monkeypatch.setattr(transactions, "ATTEMPTS", 1)
    monkeypatch.setattr(vcenters, "_require_unused", slowly)
    trail.listen(writing)
    try:
        removed, took = raised_at_once(lambda: vcenters.remove(vcenter), take)
    finally:
        trail.listen(write)
    assert removed is None
    assert isinstance(took, ContextError | IntegrityError)
    assert not VCenter.objects.exists()


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return cursor.fetchone()[0]


def raised_at_once(*calls):
    """What each of them raised; None where it succeeded."""

    def run(call):
        try:
            call()
        except (ContextError, IntegrityError) as problem:
            return problem

    return in_threads(*(partial(run, call) for call in calls))


@pytest.mark.django_db
def test_removing_it_twice_is_reported():
    vcenter = factories.vcenter()
    vcenters.remove(vcenter)
    vcenter.pk = 10**6
    with pytest.raises(UnknownVCenter):
        vcenters.remove(vcenter)


def test_a_change_of_one_that_was_removed_meanwhile_is_refused(estate, monkeypatch):
    connect = vcenters.test_connection

    def removed_meanwhile(*given):
        found = connect(*given)
        VCenter.objects.all().delete()
        return found

    monkeypatch.setattr(vcenters, "test_connection", removed_meanwhile)
    with pytest.raises(UnknownVCenter, match="has been removed"):
        vcenters.update(estate.vcenter, name="renamed")


def test_a_change_writes_only_what_changes(estate):
    stale = VCenter.objects.get()
    vcenters.update(VCenter.objects.get(), name="renamed")
    vcenters.update(stale, password=PASSWORD)
    assert VCenter.objects.get().name == "renamed"
