"""Bulk actions in words."""

from __future__ import annotations

from django import template

from vmrep.web import bulk_forms

register = template.Library()

register.filter("bulk_title", bulk_forms.title)
