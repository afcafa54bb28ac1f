"""VMs by their names, told apart where a page shows several of one name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from contexts.models import VMContext
from contexts.namesakes import named, told_apart

register = template.Library()


@register.filter
def namesakes(vms: Iterable[VMContext]) -> dict[str, str]:
    """What `apart` reads: by context ID, what tells those apart whose names repeat."""
    return told_apart(named(vm) for vm in vms)


@register.filter
def vms_of(rows: Iterable[Any]) -> list[VMContext]:
    """The VMs of rows that have a context each, or none."""
    return [row.vm_context for row in rows if row.vm_context]


@register.filter
def whereabouts(vm: VMContext) -> str:
    """For the title of a link: where the VM is, and which it is."""
    return named(vm).whereabouts


@register.simple_tag
def apart(told: Mapping[str, str], key: str) -> SafeString | str:
    """What tells the VM with this context ID from others of its name that are shown."""
    return _apart(told.get(key, ""))


@register.simple_tag
def vm_link(vm: VMContext, told: Mapping[str, str], css: str = "cell-text") -> SafeString:
    """The VM's name, leading to its panel."""
    return format_html(
        '<a class="{}" href="{}?{}" title="{}">{}</a>{}',
        css,
        reverse("virtual-machines"),
        urlencode({"vm": vm.pk}),
        named(vm).whereabouts,
        str(vm),
        _apart(told.get(vm.pk, "")),
    )


def _apart(said: str) -> SafeString | str:
    return format_html(' <span class="cell-small tone-muted break">{}</span>', said) if said else ""
