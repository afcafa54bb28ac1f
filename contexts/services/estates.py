"""Which vCenter or lone ESXi host a server is: the known one, another, or one that is known by
another address."""

from __future__ import annotations

import logging

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from contexts.models import VCenter
from contexts.services import changed_rows, logins
from contexts.services.transactions import only_free
from contexts.text import printable
from contexts.vsphere.errors import OtherEstate
from contexts.vsphere.hosts import lone_host_uuid
from contexts.vsphere.server import About
from contexts.vsphere.session import Session

log = logging.getLogger(__name__)

LEARNED = ("instance_uuid", "host_uuid", "product", "api_version")
"""The columns of a vCenter that only the server itself tells."""


def require_host(
    vcenter: VCenter, about: About, found: str | None, confirmed: str | None = None
) -> None:
    """Raises OtherEstate when another ESXi host answers than the known or confirmed one, or one
    where a vCenter was. Of a known host that says no UUID it is not known which one it is."""
    expected = confirmed or vcenter.estate_uuid
    if about.api_type != "HostAgent" or not expected or found == expected:
        return
    if found is None and vcenter.host_uuid:
        return
    known = "the one" if vcenter.host_uuid else "the vCenter"
    raise OtherEstate(
        f"{vcenter.host} now leads to another ESXi host ({found or 'without a UUID of its own'}),"
        f" not {known} that was added as {vcenter.name} ({expected}). Check the address. If it has"
        " taken the other's place, confirm that at its page; if not, add it as a new one.",
        expected=expected,
        presented=found,
    )


def recognise_host(vcenter: VCenter, session: Session) -> None:
    """Of an ESXi host on its own: raises OtherEstate when it is another one than the known one,
    which is remembered for somebody to decide about. The UUID of one that was added before vmrep
    asked for it is recorded, unless another entry has it: a host that was added twice is for an
    operator to sort out, and still read."""
    if (host_uuid := lone_host_uuid(session)) is None:
        return
    try:
        require_host(vcenter, session.about, host_uuid)
    except OtherEstate:
        logins.found_another(vcenter, host_uuid)
        raise
    if vcenter.host_uuid:
        return
    try:
        with transaction.atomic():
            unknown = VCenter.objects.filter(pk=vcenter.pk, host_uuid="")
            only_free(unknown).update(host_uuid=host_uuid)  # or else the next discovery notes it
    except IntegrityError:
        log.warning("%s is an ESXi host that was added twice", printable(vcenter.name))


def require_new(vcenter: VCenter, what: str, **identity: str) -> None:
    """Raise ValidationError when another entry has this identity, a `what` in words."""
    known = VCenter.objects.filter(**identity).exclude(pk=vcenter.pk).first()
    if known is not None:
        raise ValidationError(
            {
                "host": f"This is the {what} {known.name}, added as {known.host}. Its VMs would"
                " be listed twice. Use that one."
            }
        )


def remember_estate(vcenter: VCenter, about: About) -> None:
    """Raises ValidationError when the vCenter is already known by another address."""
    if about.instance_uuid:
        require_new(vcenter, "vCenter", instance_uuid=about.instance_uuid)
    longest = changed_rows.max_lengths(VCenter)
    estate = about.instance_uuid or ""
    if len(estate) > longest["instance_uuid"]:
        raise ValidationError(
            {
                "host": f"This server's instance UUID has {len(estate)} characters; a vCenter's has"
                " 36. Check that the address is that of a vCenter."
            }
        )
    vcenter.instance_uuid = estate
    vcenter.product = about.full_name[: longest["product"]]
    vcenter.api_version = about.api_version[: longest["api_version"]]
