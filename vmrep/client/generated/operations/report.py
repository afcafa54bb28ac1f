"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from typing import TypedDict, Unpack

from vmrep.client.calls import Calls
from vmrep.client.generated import models


class ReportQuery(TypedDict, total=False):
    day: str | None
    time_zone: str | None


class Report(Calls):
    def get_report(self, **query: Unpack[ReportQuery]) -> models.ReportAnswer:
        """Protection, breaches, volume and space of one day."""
        return self._get("/api/v1/report/", query=query)
