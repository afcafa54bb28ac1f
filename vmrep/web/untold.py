"""The places of a VM that vSphere did not tell, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import NamedTuple


class Untold(NamedTuple):
    """Places, as in "Host, networks", that were not told since the same moment."""

    places: str
    since: datetime


def untold(places: Iterable[Mapping[str, str]]) -> list[Untold]:
    """The places of `DiscoveredVM.untold_places`, those that were told last before the others."""
    ordered = sorted(places, key=lambda each: each["since"], reverse=True)  # the same moment: as is
    return [
        Untold(
            ", ".join(each["place"] for each in together).capitalize(),
            datetime.fromisoformat(since),
        )
        for since, together in groupby(ordered, key=lambda each: each["since"])
    ]
