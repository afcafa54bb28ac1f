"""The part of the client that the schema says. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

WITH_COMMAS = ("fields", "ordering")
"""Parameters whose values are one text; of others each value is written by itself."""
