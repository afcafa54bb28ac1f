"""How much of a server's free text is kept: vSphere bounds few texts, a hostile server none."""

from __future__ import annotations

MOST_NAME = 1_000  # names, paths, labels: vSphere's own have up to 240 characters
MOST_IDENTIFIER = 255  # UUIDs, change IDs: anything longer is not one
MOST_WORD = 40  # vSphere's own words, such as a disk's mode: likewise
MOST_TYPE_NAME = 60  # of a kind of device that vmrep does not know
MOST_NOTES = 10_000  # a VM's annotation
MOST_FAULT = 1_000  # what vCenter says about a failure
MOST_ADDRESSES = 100  # of one VM or adapter
CUT = " … [cut]"


def cut(text: str, most: int) -> str:
    """The text; one of more than `most` characters is cut there and says so."""
    return text if len(text) <= most else text[:most] + CUT
