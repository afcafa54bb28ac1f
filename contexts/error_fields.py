"""Which field of a vCenter's form caused an error: one answer for pages, API and admin."""

from __future__ import annotations

from contexts.errors import ContextError, VCenterChanged
from contexts.vsphere import errors
from contexts.vsphere.errors import VSphereError

_FIELDS: dict[type[Exception], str] = {
    errors.AddressUnknown: "host",
    errors.AddressNotAllowed: "host",
    errors.ConnectionRefused: "port",
    errors.ConnectionLost: "host",
    errors.NotVSphere: "host",
    errors.OtherEstate: "host",
    errors.CertificateNotTrusted: "fingerprint_sha256",
    errors.CertificateChanged: "fingerprint_sha256",
    errors.LoginRefused: "password",
    errors.PrivilegeMissing: "username",
    VCenterChanged: "password",
}


def field_of(problem: VSphereError | ContextError) -> str | None:
    """The field's name; None when no single field is the cause."""
    return next((_FIELDS[kind] for kind in type(problem).__mro__ if kind in _FIELDS), None)
