"""The menu of saved views."""

from __future__ import annotations

from django import template

from vmrep.web import saved_views
from vmrep.web.models import ViewPage

register = template.Library()


@register.inclusion_tag("views/index.html#menu", takes_context=True)
def views_menu(context: template.Context, page: str) -> dict[str, object]:
    """{% views_menu "jobs" %}: the user's views of the page, and a form that saves this one."""
    request = context["request"]
    return {
        "page": page,
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "entries": saved_views.menu(request.user, ViewPage(page), request.GET),
    }
