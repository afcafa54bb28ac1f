"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from vmrep.client.calls import Calls
from vmrep.client.generated import models


class Integrity(Calls):
    def get_integrity(self) -> models.IntegrityAnswer:
        """The last run with its findings, and the active run."""
        return self._get("/api/v1/integrity/")

    def post_integrity(self, *, idempotency_key: str | None = None) -> models.IntegrityRun:
        """Check now (202)."""
        return self._once("/api/v1/integrity/", key=idempotency_key)
