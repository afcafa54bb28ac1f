"""Who answers: what a vSphere server says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contexts.vsphere.errors import NotVSphere
from contexts.vsphere.texts import MOST_NAME, MOST_WORD, cut


@dataclass(frozen=True, slots=True)
class About:
    """What the endpoint says about itself. `instance_uuid` is None on a lone ESXi host.

    `api_type` is "VirtualCenter" or "HostAgent".
    """

    instance_uuid: str | None
    full_name: str
    api_type: str
    api_version: str


class Content:
    """pyVmomi's ServiceContent. Asking for a member that this server does not have raises
    NotVSphere: every vCenter and ESXi host has those that vmrep needs."""

    def __init__(self, content: Any, place: str) -> None:
        self._content = content
        self._place = place

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._content, name, None)
        if member is None:
            raise NotVSphere(
                f"{self._place} has no {name}, which every vSphere server has. Check that the "
                "address is that of a vCenter Server or ESXi host."
            )
        return member


def what_next(found: str | None, vcenter: str | None) -> str:
    """What to do about another server (its UUID `found`) than the known `vcenter`, or host."""
    if not found:
        return (
            "If the host has taken the vCenter's place, enter the password again on its page: then"
            " vmrep asks the host who it is, and you can confirm that. If not, add it as a new one."
        )
    if vcenter:
        return (
            "If the vCenter was rebuilt, confirm that on its page; if it is a different one, add it"
            " as a new vCenter."
        )
    return (
        "If the vCenter has taken the host's place, confirm that on its page; if not, add it as a"
        " new vCenter."
    )


def about_of(about: Any) -> About:
    """From pyVmomi's AboutInfo."""
    return About(
        instance_uuid=about.instanceUuid or None,
        full_name=cut(str(about.fullName or ""), MOST_NAME),
        api_type=cut(str(about.apiType or ""), MOST_WORD),
        api_version=cut(str(about.apiVersion or ""), MOST_WORD),
    )
