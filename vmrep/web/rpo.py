"""The history of protection as pages draw it: of one VM, or of all VMs of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from contexts.clock import about_now
from contexts.models import VMContext
from contexts.text import percent, plural
from replication.models import Policy
from replication.selectors import rpo_history
from replication.selectors.rpo_history import History, Kept, Spell
from replication.states import Protection
from vmrep import access
from vmrep.web import charts
from vmrep.web.formats import absolute
from vmrep.web.looks import PROTECTION

MOST_LISTED = 20
_HEIGHTS = {Protection.PROTECTED: 0.4, Protection.NO_TARGET: 0.15}
_BAD = (Protection.OVER_TARGET, Protection.BROKEN, Protection.UNPROTECTED)


class Stretch(NamedTuple):
    """A spell in the strip. Its height tells what its colour tells."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    words: str


class Breach(NamedTuple):
    """`warned_seconds`: how long before it was told; None: it was not."""

    spell: Spell
    warned_seconds: float | None


class Day(NamedTuple):
    bar: charts.Bar
    kept: Kept

    @property
    def words(self) -> str:
        return f"{absolute(self.kept.begins_at)}: {share_words(self.kept.share)}"


def share_words(share: float | None) -> str:
    return "no target" if share is None else percent(share)


def of_vm(context: VMContext) -> dict[str, Any]:
    """For the panel's tab. Two queries."""
    now = about_now()
    spells = rpo_history.spells_of(context, now - max(rpo_history.PERIODS))
    return {
        **_of(rpo_history.history(rpo_history.of_vm(context), now)),
        "strip": _strip(spells, now - rpo_history.SHOWN, now),
        "strip_begins_at": now - rpo_history.SHOWN,
        "breaches": _breaches(spells)[:MOST_LISTED],
    }


def of_policy(policy: Policy, user: access.User) -> dict[str, Any]:
    """For the policy's page. One query."""
    contexts = access.visible(user).contexts
    return _of(rpo_history.history(rpo_history.of_policy(policy, contexts), about_now()))


def _of(found: History) -> dict[str, Any]:
    # A day of which nothing was kept is seen, too: only without a target there is nothing.
    shares = [0.0 if day.share is None else max(day.share, 0.001) for day in found.days]
    bars = charts.bars(shares, full=1.0, slots=len(shares))
    periods = [(_period(kept), share_words(kept.share)) for kept in found.periods]
    days = [Day(*pair) for pair in zip(bars, found.days, strict=True)]
    is_known = any(kept.share is not None for kept in (*found.periods, *found.days))
    return {"periods": periods, "days": days, "is_known": is_known}


def _period(kept: Kept) -> str:
    days = (kept.ends_at - kept.begins_at).days
    return "Last 24 hours" if days == 1 else f"Last {plural(days, 'day')}"


def _strip(spells: Sequence[Spell], begins: datetime, ends: datetime) -> list[Stretch]:
    """From left to right."""
    found = []
    for spell in reversed(spells):
        first, last = max(spell.began_at, begins), min(spell.ended_at or ends, ends)
        if last <= first:
            continue
        look, state = PROTECTION[Protection(spell.state)], Protection(spell.state)
        height = charts.STRIP_HEIGHT * _HEIGHTS.get(state, 1.0)
        until = absolute(spell.ended_at) if spell.ended_at else "now"
        x = _at(first - begins)
        found.append(
            Stretch(
                x,
                round(charts.STRIP_HEIGHT - height, 2),
                max(round(_at(last - begins) - x, 2), 1.0),
                round(height, 2),
                look.tone,
                f"{look.word}: {absolute(spell.began_at)} to {until}",
            )
        )
    return found


def _at(offset: timedelta) -> float:
    return round(charts.BARS_WIDTH * (offset / rpo_history.SHOWN), 2)


def _breaches(spells: Sequence[Spell]) -> list[Breach]:
    """The newest first."""
    before = [*spells[1:], None]
    pairs = zip(spells, before, strict=False)
    return [
        Breach(spell, rpo_history.warned_seconds(spell, earlier))
        for spell, earlier in pairs
        if spell.state in _BAD
    ]
