"""References of services that vSphere's public content does not name.

`RetrieveInternalContent` is in no public description, and most of what it answers is of types that
nobody knows: the one element that is wanted is taken out of its text.
"""

from __future__ import annotations

import re

from contexts.vsphere.errors import VSphereFault
from contexts.vsphere.faults import translating
from contexts.vsphere.session import Session

_LIMIT_BYTES = 1 << 20
_CALL = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
    '<RetrieveInternalContent xmlns="urn:vim25">'
    '<_this type="ServiceInstance">ServiceInstance</_this>'
    "</RetrieveInternalContent></Body></Envelope>"
)


def reference(session: Session, name: str, doing: str) -> str | None:
    """The reference of a service ("nfcService"); None when the server does not name it.

    Raises ConnectionLost, VSphereFault.
    """
    headers = {"SOAPAction": '"urn:vim25"', "Content-Type": "text/xml; charset=utf-8"}
    connection = session.https_connection()
    with translating(doing):
        try:
            connection.request("POST", "/sdk", _CALL.encode(), headers | session.cookie_headers())
            answer = connection.getresponse()
            body = answer.read(_LIMIT_BYTES)
        finally:
            connection.close()
    if answer.status != 200:
        raise VSphereFault(
            f"{doing}: vSphere does not say where its service is (HTTP {answer.status}).",
            fault="RetrieveInternalContent",
        )
    element = rf"<(?:\w+:)?{name}\b[^<>]*>([!-~]{{1,255}}?)</"
    found = re.search(element.encode(), body)
    return found[1].decode("ascii") if found else None
