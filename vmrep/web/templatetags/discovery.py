"""Template tags of the discovery and vCenter pages."""

from __future__ import annotations

import hashlib

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from contexts.folders import shown_folder

register = template.Library()

register.filter("shown_folder", shown_folder)


@register.filter
def is_at_or_above(folder: str, chosen: str) -> bool:
    """Whether the chosen folder is this one or below it."""
    return chosen == folder or chosen.startswith(f"{folder}/")


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
