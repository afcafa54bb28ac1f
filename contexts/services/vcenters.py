"""vCenters: adding, changing and connecting to them. Passwords go in and never come out."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from contexts import crypto
from contexts.errors import VCenterChanged
from contexts.models import VCenter
from contexts.states import AVAILABLE_TRANSPORTS, TransportKind, TrustMode
from contexts.vsphere.endpoint import Endpoint, Trust, format_fingerprint
from contexts.vsphere.session import About, Session
from contexts.vsphere.tls import Certificate
from contexts.vsphere.tls import presented_certificate as _presented_certificate

CONNECT_TIMEOUT_SECONDS = 15.0


def endpoint(vcenter: VCenter) -> Endpoint:
    """What the vSphere layer needs to reach it, the password decrypted."""
    return Endpoint(
        host=vcenter.host,
        port=vcenter.port,
        username=vcenter.username,
        password=crypto.decrypt(vcenter.password_encrypted),
        trust=Trust(mode=vcenter.trust_mode, fingerprint_sha256=vcenter.fingerprint_sha256 or None),
        instance_uuid=vcenter.instance_uuid or None,
    )


def presented_certificate(host: str, port: int) -> Certificate:
    """The certificate that a server shows, for the operator to confirm. Nothing is sent to it."""
    return _presented_certificate(host, port, CONNECT_TIMEOUT_SECONDS)


def test_connection(target: Endpoint) -> About:
    """Log in and out. Raises a VSphereError that says what is wrong and what to do."""
    with Session(target, timeout=CONNECT_TIMEOUT_SECONDS) as session:
        return session.about


def add(
    *,
    name: str,
    host: str,
    port: int = 443,
    username: str,
    password: str,
    trust_mode: str = TrustMode.VERIFY,
    fingerprint_sha256: str = "",
    transport: str = TransportKind.DATASTORE,
) -> VCenter:
    """Test the connection, then keep the vCenter. Raises a VSphereError, or ValidationError."""
    vcenter = VCenter(
        name=name,
        host=host,
        port=port,
        username=username,
        password_encrypted=crypto.encrypt(password),
        trust_mode=trust_mode,
        fingerprint_sha256=format_fingerprint(fingerprint_sha256) if fingerprint_sha256 else "",
        transport=transport,
    )
    _check(vcenter)
    _remember_estate(vcenter, test_connection(endpoint(vcenter)))
    vcenter.save(force_insert=True)
    return vcenter


def update(vcenter: VCenter, *, password: str | None = None, **changes: Any) -> VCenter:
    """Change a vCenter. Another host, port or trust needs the password again.

    A stored password is never sent to an address that its owner did not confirm it for: otherwise
    whoever may edit an address could have the password sent to a server of their own.
    """
    asks_password = ("host", "port", "username", "trust_mode", "fingerprint_sha256")
    if password is None and any(
        name in changes and changes[name] != getattr(vcenter, name) for name in asks_password
    ):
        raise VCenterChanged(
            "To change the address, the user or the certificate trust, enter the password again."
        )
    for name, value in changes.items():
        setattr(vcenter, name, value)
    if password is not None:
        vcenter.password_encrypted = crypto.encrypt(password)
    _check(vcenter)
    _remember_estate(vcenter, test_connection(endpoint(vcenter)))
    with transaction.atomic():
        vcenter.save(force_update=True)
    return vcenter


def _check(vcenter: VCenter) -> None:
    """Raises ValidationError, also for what only a later version can do."""
    vcenter.full_clean()
    if vcenter.transport not in AVAILABLE_TRANSPORTS:
        raise ValidationError(
            {"transport": f"{vcenter.get_transport_display()} is not available in this version."}
        )


def _remember_estate(vcenter: VCenter, about: About) -> None:
    """Raises ValidationError when it is a vCenter that is known by another address already."""
    same = VCenter.objects.filter(instance_uuid=about.instance_uuid or None).exclude(pk=vcenter.pk)
    if (known := same.first()) is not None:
        raise ValidationError(
            {
                "host": f"This is the vCenter {known.name}, added as {known.host}. Its VMs would"
                " come twice: use that one."
            }
        )
    vcenter.instance_uuid = about.instance_uuid or ""
    vcenter.product = about.full_name
    vcenter.api_version = about.api_version
