"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from vmrep.client.calls import Calls
from vmrep.client.generated import models


class Health(Calls):
    def get_health(self) -> models.HealthAnswer:
        """What lives, what is dead, and the newest incidents."""
        return self._get("/api/v1/health/")
