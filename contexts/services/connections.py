"""A connection test, step by step: what works, what fails and why, what was not reached."""

from __future__ import annotations

from typing import NamedTuple

from contexts.errors import ContextError, ServersBusy
from contexts.models import VCenter
from contexts.services import vcenters
from contexts.states import TrustMode
from contexts.text import plural
from contexts.vsphere import errors
from contexts.vsphere.errors import VSphereError
from contexts.vsphere.privileges import MOST_ENTITIES, Missing
from contexts.vsphere.server import About

OK, WARNING, FAILED, NOT_REACHED = "ok", "warning", "failed", "not_reached"

_STEPS = ("Connection", "Certificate", "Identity", "Login", "Privileges")
_FAILS_AT: dict[type[Exception], str] = {
    errors.CertificateNotTrusted: "Certificate",
    errors.CertificateChanged: "Certificate",
    errors.OtherEstate: "Identity",
    errors.LoginRefused: "Login",
    ServersBusy: "Connection",
    ContextError: "Login",  # the stored password cannot be read
    errors.PrivilegeMissing: "Privileges",
}
_TRUSTED = {
    TrustMode.VERIFY: "Verified against this machine's certificate authorities.",
    TrustMode.PIN: "The server presents the pinned certificate.",
    TrustMode.INSECURE: "Not checked: anyone in between can read the password.",
}


class Step(NamedTuple):
    """`outcome` is one of the four above. `text` is for people; names in it are hostile text."""

    name: str
    outcome: str
    text: str


class Report(NamedTuple):
    """The steps in order; `missing` are the privileges that the account lacks."""

    steps: list[Step]
    missing: tuple[Missing, ...]

    @property
    def outcome(self) -> str:
        found = {step.outcome for step in self.steps}
        return next((each for each in (FAILED, WARNING) if each in found), OK)


def test(vcenter: VCenter) -> Report:
    """Connect as a job would, once, and report how far that got. Whether the login was accepted is
    remembered; nothing else changes. Raises nothing."""
    try:
        about, privileges, _ = vcenters.test_stored(vcenter)
    except (VSphereError, ContextError) as problem:
        return Report(_broken_off(vcenter, problem), ())
    steps = [Step(name, OK, _passed(vcenter, about)[name]) for name in _STEPS[:-1]]
    if vcenter.trust_mode == TrustMode.INSECURE:
        steps[1] = steps[1]._replace(outcome=WARNING)
    seen = f"The account sees {_vms(privileges.vms_seen)}"
    if privileges.missing is None:
        steps.append(Step("Privileges", WARNING, f"{seen}; its privileges cannot be read."))
    elif privileges.missing:
        count = len(privileges.missing)
        steps.append(
            Step(
                "Privileges",
                WARNING,
                f"{seen}, but lacks {count} of {privileges.asked} privileges.",
            )
        )
    elif not privileges.vms_seen:
        text = "The account sees no VMs. If there are any, give its role permission to read them."
        steps.append(Step("Privileges", WARNING, text))
    else:
        steps.append(Step("Privileges", OK, f"{seen} and has every privilege that vmrep needs."))
    return Report(steps, privileges.missing or ())


def _vms(count: int) -> str:
    return plural(count, "VM") if count < MOST_ENTITIES else f"{MOST_ENTITIES} or more VMs"


def _passed(vcenter: VCenter, about: About | None = None) -> dict[str, str]:
    """The text of each step that succeeded."""
    return {
        "Connection": f"{vcenter.host}:{vcenter.port} answers.",
        "Certificate": _TRUSTED[TrustMode(vcenter.trust_mode)],
        "Identity": f"{about.full_name}, API {about.api_version}." if about else "As expected.",
        "Login": f"{vcenter.username} is logged in.",
    }


def _broken_off(vcenter: VCenter, problem: Exception) -> list[Step]:
    kinds = type(problem).__mro__
    failing = next((_FAILS_AT[kind] for kind in kinds if kind in _FAILS_AT), "Connection")
    at = _STEPS.index(failing)
    passed = _passed(vcenter)
    return [
        *(Step(name, OK, passed[name]) for name in _STEPS[:at]),
        Step(failing, FAILED, str(problem)),
        *(Step(name, NOT_REACHED, "Not reached.") for name in _STEPS[at + 1 :]),
    ]
