"""Words about accounts."""

from __future__ import annotations

from django import template

register = template.Library()

# In this order: most browsers also name those that they descend from.
_BROWSERS = (
    *(("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome")),
    *(("Safari", "Safari"), ("curl", "curl")),
)
_SYSTEMS = (
    *(("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad")),
    *(("Mac OS X", "macOS"), ("Linux", "Linux")),
)


@register.filter
def browser(agent: str) -> str:
    """What a browser says that it is, in short: Firefox on Linux."""
    name = next((short for part, short in _BROWSERS if f"{part}/" in agent), "")
    system = next((short for part, short in _SYSTEMS if part in agent), "")
    return " on ".join(filter(None, (name, system))) or agent[:40] or "unknown"
