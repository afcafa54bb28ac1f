"""Adding and changing vCenters."""

import pytest
from django.core.exceptions import ValidationError

from contexts import crypto
from contexts.errors import VCenterChanged
from contexts.models import VCenter
from contexts.services import vcenters
from contexts.vsphere.errors import (
    AddressUnknown,
    CertificateChanged,
    CertificateNotTrusted,
    LoginRefused,
    OtherEstate,
)
from tests.sync.estate import PASSWORD


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
        ({"transport": "vddk"}, ValidationError),
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
    assert crypto.decrypt(VCenter.objects.get().password_encrypted) == PASSWORD


def test_an_address_that_answers_as_another_estate_is_refused(estate):
    VCenter.objects.update(instance_uuid="another-estate")
    with pytest.raises(OtherEstate):
        vcenters.update(VCenter.objects.get(), name="renamed")
