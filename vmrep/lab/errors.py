"""What can go wrong in the lab itself, in words for the person who runs it."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked; the message says why and what to do."""


class ScenarioError(LabError):
    """A scenario file is missing or wrong; the message names the file and the place in it."""


class FolderError(LabError):
    """The lab's folder cannot be used: not writable, locked by another lab, or no lab's folder."""


class PortError(LabError):
    """The lab cannot listen on a port."""


class ControlError(LabError):
    """A request to the control surface was refused; `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
