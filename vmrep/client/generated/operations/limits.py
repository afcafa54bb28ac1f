"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from vmrep.client.calls import Calls
from vmrep.client.generated import models


class Limits(Calls):
    def get_limits(self) -> models.LimitsAnswer:
        """All limits, with how much is in use."""
        return self._get("/api/v1/limits/")

    def put_limits(
        self, body: models.ChangedLimit, *, if_match: str | None = None
    ) -> models.LimitsAnswer:
        """Set one."""
        return self._send("PUT", "/api/v1/limits/", body=body, if_match=if_match)

    def get_bandwidth(self) -> models.BandwidthAnswer:
        """How fast disks are read, and may be."""
        return self._get("/api/v1/limits/bandwidth/")

    def put_bandwidth(
        self, body: models.ChangedBandwidth, *, if_match: str | None = None
    ) -> models.BandwidthAnswer:
        """The windows of a vCenter, or of all others."""
        return self._send("PUT", "/api/v1/limits/bandwidth/", body=body, if_match=if_match)
