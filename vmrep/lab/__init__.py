"""A simulated vCenter with real disks: see docs/lab.md.

`Lab` runs it inside a process, `python -m vmrep.lab` from a shell.
"""

from vmrep.lab.control.client import LabControl
from vmrep.lab.errors import ControlError, LabError
from vmrep.lab.lab import Lab

__all__ = ["ControlError", "Lab", "LabControl", "LabError"]
