"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from vmrep.client.calls import Calls
from vmrep.client.generated import models


class RecoveryPoints(Calls):
    def get_recovery_point(self, point_id: int) -> models.RecoveryPoint:
        """The point."""
        return self._get("/api/v1/recovery-points/{}/", point_id)

    def patch_recovery_point(
        self, point_id: int, body: models.Comment, *, if_match: str | None = None
    ) -> models.RecoveryPoint:
        """Its comment."""
        return self._send(
            "PATCH", "/api/v1/recovery-points/{}/", point_id, body=body, if_match=if_match
        )

    def delete_recovery_point(
        self, point_id: int, *, if_match: str | None = None
    ) -> models.RecoveryPoint:
        """A worker removes it."""
        return self._send("DELETE", "/api/v1/recovery-points/{}/", point_id, if_match=if_match)

    def post_recovery_point_pin(
        self, point_id: int, body: models.Pin | None = None
    ) -> models.RecoveryPoint:
        """Keep the point whatever the rules say."""
        return self._send("POST", "/api/v1/recovery-points/{}/pin/", point_id, body=body)

    def delete_recovery_point_pin(self, point_id: int) -> models.RecoveryPoint:
        """No longer."""
        return self._send("DELETE", "/api/v1/recovery-points/{}/pin/", point_id)

    def get_recovery_point_verification(self, point_id: int) -> models.VerificationInDetail:
        """The newest verification, with what it found."""
        return self._get("/api/v1/recovery-points/{}/verification/", point_id)

    def post_recovery_point_verification(
        self, point_id: int, *, idempotency_key: str | None = None
    ) -> models.VerificationInDetail:
        """A worker reads the point back."""
        return self._once("/api/v1/recovery-points/{}/verification/", point_id, key=idempotency_key)

    def delete_recovery_point_verification(self, point_id: int) -> models.VerificationInDetail:
        """It stops."""
        return self._send("DELETE", "/api/v1/recovery-points/{}/verification/", point_id)
