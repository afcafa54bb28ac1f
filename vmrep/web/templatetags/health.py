"""What every page tells of who is alive."""

from __future__ import annotations

from django import template

from contexts.clock import about_now
from contexts.text import plural
from replication.models import SignOfLife
from replication.selectors.health import Health, health
from vmrep import access
from vmrep.access import Verb
from vmrep.web import versions
from vmrep.web.looks import LOOKS

register = template.Library()

SHOWN_TROUBLES = 3


@register.simple_tag(takes_context=True)
def status(context: template.Context) -> dict[str, object]:
    """Troubles, their mark and the version of the part; nothing for a user who may not see that."""
    user = context["request"].user
    if not access.may(user, Verb.VIEW, SignOfLife):
        return {}
    return shown(health(about_now(), access.parts(user)))


def shown(state: Health) -> dict[str, object]:
    """What partials/status.html shows of it."""
    count = len(state.troubles)
    return {
        "version": versions.of_status(state),
        "troubles": state.troubles[:SHOWN_TROUBLES],
        "more": max(count - SHOWN_TROUBLES, 0),
        "look": LOOKS["life"]["alive" if state.is_well else "dead"],
        "words": "all is well" if state.is_well else plural(count, "problem"),
    }
