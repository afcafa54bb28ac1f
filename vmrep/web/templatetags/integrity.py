"""The result of the integrity check on every page."""

from __future__ import annotations

from django import template

from contexts.text import plural
from replication.integrity.findings import in_words
from replication.integrity.selectors import integrity
from replication.models import IntegrityRun
from vmrep import access
from vmrep.access import Verb
from vmrep.web.formats import age
from vmrep.web.looks import LOOKS

register = template.Library()

register.filter("code_words", in_words)


@register.inclusion_tag("integrity/index.html#indicator", takes_context=True)
def integrity_indicator(context: template.Context) -> dict[str, object]:
    """Icon and words: "Integrity: ok, 12 m ago", "Integrity: 3 findings". Nothing for a user who
    may not see that."""
    user = context["request"].user
    if not access.may(user, Verb.VIEW, IntegrityRun):
        return {}
    state = integrity(access.integrity_runs(user))
    ended = state.last.completed_at if state.last else None
    words = {
        "ok": f"ok, {age(ended)} ago",
        "findings": plural(state.last.finding_count if state.last else 0, "finding"),
        "broken_off": "stopped early",
        "unknown": "not checked yet",
    }[state.look]
    return {"look": LOOKS["integrity"][state.look], "words": words, "ended": ended}
