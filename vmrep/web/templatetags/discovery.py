"""Template tags of the discovery and vCenter pages."""

from __future__ import annotations

import hashlib

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from contexts.folders import shown_folder
from vmrep.web.looks import LOOKS
from vmrep.web.templatetags.vmrep import icon

register = template.Library()

register.filter("shown_folder", shown_folder)


@register.filter
def is_at_or_above(folder: str, chosen: str) -> bool:
    """Whether the chosen folder is this one or below it."""
    return chosen == folder or chosen.startswith(f"{folder}/")


@register.filter
def of_context(by_context: dict[str, str], context_id: str) -> str | None:
    return by_context.get(context_id)


@register.simple_tag
def managed(protection: str | None) -> SafeString:
    """That a VM is under management, and what that has brought it so far."""
    if protection is None:
        return format_html('<span class="state">Managed</span>')
    look = LOOKS["protection"][protection]
    return format_html(
        '<span class="state tone-{}">{}<span>Managed, {}</span></span>',
        look.tone,
        icon(look.icon),
        look.word.lower(),
    )


@register.filter
def short_hash(text: str) -> str:
    """A name for the element of a folder: its path is hostile text of any length."""
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


@register.filter
def fingerprint(text: str) -> SafeString:
    """Hex pairs that break into lines only after a colon."""
    return format_html_join("", "{}:<wbr>", ((pair,) for pair in text.split(":")[:-1])) + (
        format_html_join("", "{}", [(text.rsplit(":", 1)[-1],)])
    )
