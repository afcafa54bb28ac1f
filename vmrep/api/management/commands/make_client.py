"""Makes the generated part of the typed client anew, after the schema has changed."""

from __future__ import annotations

from typing import Any

import drf_spectacular.generators
from django.core.management.base import BaseCommand

from vmrep.api.schema.client_code import write


class Command(BaseCommand):
    help = "Make vmrep/client/generated anew from the API's schema. For developers."

    def handle(self, *args: Any, **options: Any) -> None:
        untyped: Any = drf_spectacular.generators
        write(untyped.SchemaGenerator().get_schema(request=None, public=True))
